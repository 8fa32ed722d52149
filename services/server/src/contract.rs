//! The public contract as data: which methods there are, and what they take.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor};

use crate::v1::{collection_service_server, context_service_server, ingest_service_server};

/// The services whose health says whether this server is ready; that of the empty name says whether it is alive.
pub const SERVICES: [&str; 3] = [
    context_service_server::SERVICE_NAME,
    ingest_service_server::SERVICE_NAME,
    collection_service_server::SERVICE_NAME,
];

/// A method of the contract.
pub(crate) struct Method {
    /// `/tamis.v1.ContextService/Compress`.
    pub(crate) path: String,
    /// `Compress`; no two services have methods of one name.
    pub(crate) name: String,
    pub(crate) descriptor: MethodDescriptor,
}

impl Method {
    /// Whether the caller sends one message, rather than as many as he likes.
    pub(crate) fn takes_one(&self) -> bool {
        !self.descriptor.is_client_streaming()
    }
}

static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    // The descriptors are compiled in; an empty contract would fail every test.
    let pool = DescriptorPool::decode(tamis_proto::DESCRIPTORS).unwrap_or_default();
    let services = pool.services().filter(|s| s.package_name() == "tamis.v1").collect::<Vec<_>>();
    let method = |descriptor: MethodDescriptor| Method {
        path: format!("/{}/{}", descriptor.parent_service().full_name(), descriptor.name()),
        name: descriptor.name().to_owned(),
        descriptor,
    };
    services.iter().flat_map(prost_reflect::ServiceDescriptor::methods).map(method).collect()
});

static BY_PATH: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| METHODS.iter().map(|method| (method.path.as_str(), method)).collect());

/// All methods, service by service.
pub(crate) fn methods() -> &'static [Method] {
    &METHODS
}

/// The method at a path.
pub(crate) fn method(path: &str) -> Option<&'static Method> {
    BY_PATH.get(path).copied()
}
