//! What a credential is good for, and the caller that it makes.

use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tamis::document::{CollectionName, TenantId};

/// What a caller may do in a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Ask: contexts, retrieval, listings, statistics.
    Read,
    /// Bring and delete documents, and make collections.
    Ingest,
    /// Everything: also delete, switch, reindex, sweep, export and import collections.
    Admin,
}

impl Role {
    /// Its name, as in keys, tokens and errors.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ingest => "ingest",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = [Self::Read, Self::Ingest, Self::Admin].into_iter().find(|role| role.name() == name);
        known.ok_or_else(|| format!("{name:?} is not one of read, ingest, admin"))
    }
}

/// The tenants that a credential is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tenants {
    /// One.
    One(TenantId),
    /// All: the call says which.
    All,
}

impl FromStr for Tenants {
    type Err = tamis::error::Error;

    fn from_str(name: &str) -> tamis::error::Result<Self> {
        if name == "*" { Ok(Self::All) } else { name.parse().map(Self::One) }
    }
}

/// The collections that a credential is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Collections {
    /// All of the tenant.
    All,
    /// Those with these names, or that begin as one that ends in `*` does.
    Named(Vec<String>),
}

impl Collections {
    fn contain(&self, name: &CollectionName) -> bool {
        let is = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => name.as_str().starts_with(prefix),
            None => name.as_str() == pattern,
        };
        match self {
            Self::All => true,
            Self::Named(patterns) => patterns.iter().any(is),
        }
    }
}

/// What a credential is good for.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// Its id, for the audit log.
    pub(crate) name: Arc<str>,
    pub(crate) tenants: Tenants,
    pub(crate) roles: Arc<[Role]>,
    pub(crate) collections: Arc<Collections>,
}

impl Access {
    /// What may be done without a credential, where that is allowed: everything.
    pub(super) fn anonymous() -> Self {
        Self {
            name: "anonymous".into(),
            tenants: Tenants::All,
            roles: [Role::Admin].into(),
            collections: Arc::new(Collections::All),
        }
    }

    /// The caller that asks as this tenant, unless the credential is of another.
    pub(super) fn for_tenant(self, asked: Option<TenantId>) -> Option<Caller> {
        let tenant = match (self.tenants, asked) {
            (Tenants::All, asked) => asked.unwrap_or_default(),
            (Tenants::One(own), None) => own,
            (Tenants::One(own), Some(asked)) => (own == asked).then_some(own)?,
        };
        Some(Caller { name: self.name, tenant, roles: self.roles, collections: self.collections })
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: Arc<str>,
    pub(crate) tenant: TenantId,
    roles: Arc<[Role]>,
    collections: Arc<Collections>,
}

impl Caller {
    /// Whether he has a role at all.
    pub(crate) fn has(&self, role: Role) -> bool {
        self.roles.contains(&role) || self.roles.contains(&Role::Admin)
    }

    /// Whether he has it in a collection.
    pub(crate) fn may(&self, role: Role, collection: &CollectionName) -> bool {
        self.has(role) && self.collections.contain(collection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_his_roles_in_his_collections_only() {
        let collections = Arc::new(Collections::Named(vec!["docs".into(), "wiki-*".into()]));
        let access = Access {
            name: "ci".into(),
            tenants: Tenants::One("acme".parse().unwrap()),
            roles: [Role::Ingest].into(),
            collections,
        };
        let caller = access.clone().for_tenant(None).unwrap();
        assert_eq!(caller.tenant.as_str(), "acme");
        for (role, name, may) in [
            (Role::Ingest, "docs", true),
            (Role::Ingest, "wiki-de", true),
            (Role::Ingest, "docs2", false),
            (Role::Read, "docs", false),
            (Role::Admin, "docs", false),
        ] {
            assert_eq!(caller.may(role, &name.parse().unwrap()), may, "{role:?} {name}");
        }
        assert!(access.clone().for_tenant(Some("other".parse().unwrap())).is_none());
        assert!(access.for_tenant(Some("acme".parse().unwrap())).is_some());
        let any = Access::anonymous().for_tenant(Some("other".parse().unwrap())).unwrap();
        assert!(any.tenant.as_str() == "other" && any.may(Role::Read, &"x".parse().unwrap()));
    }
}
