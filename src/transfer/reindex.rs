//! A collection split and encoded anew beside the one that is served, and then put in its place.
//!
//! The new one is filled from the old one's texts while that is read and written as before, and again with what has changed
//! meanwhile, until nothing has. Then the two change names in one step. What was written to the old one after the last look
//! and before that step is brought over at last; what comes to the new one after it is newer and stays.
//!
//! An interrupted one goes on when it is run again: what the new collection has already is not encoded twice.

use std::collections::HashMap;
use std::sync::Arc;

use super::Import;
use super::export::{LOOKS, each_document, frames};
use crate::deadline::Deadline;
use crate::document::{CollectionName, DocumentId, Revision};
use crate::encode::{Encoder, Fingerprint};
use crate::error::{Error, Result};
use crate::hash;
use crate::index::{CollectionSettings, DocumentHead, Index, Scope, Selector, Splitting, View};
use crate::split::SPLITTER_VERSION;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindexed {
    /// How the collection was encoded before.
    pub before: Fingerprint,
    /// Documents that were encoded.
    pub encoded: u64,
    /// Documents that it has now.
    pub documents: u64,
}

/// The new collection's documents by the hash of their ids.
type Known = HashMap<hash::Beginning, Revision>;

/// Splits a collection anew, otherwise where that is wanted, encodes it by this encoder, beside it, and puts the new one in its place. The old one is then called `beside`,
/// and deleted unless it is to be kept. A collection that has that name before is what an interrupted call has left: it goes on
/// there, and documents of it that the collection does not have are deleted. One that was not made by such a call is refused.
///
/// # Errors
/// [`Error::InvalidArgument`] on `collection` where it is split and encoded so already, or on `beside` for its own name or
/// another's, or that of one that was begun otherwise; those of [`CollectionSettings::split`]; [`Error::NotFound`]; the
/// deadline's, the encoder's and the store's: then the collection is as it was, or as it is to be.
pub fn reindex(
    encoder: &Arc<dyn Encoder>,
    index: &Arc<dyn Index>,
    scope: &Scope,
    beside: &CollectionName,
    splitting: Splitting,
    keep: bool,
    deadline: &Deadline,
) -> Result<Reindexed> {
    if *beside == scope.collection {
        return Err(Error::invalid(
            "beside",
            "is the collection's own name; the new one needs another until it is ready",
        ));
    }
    let new = Scope::new(scope.tenant.clone(), beside.clone());
    let old = CollectionSettings { in_place_of: None, ..index.view(scope)?.settings().clone() };
    let before = old.fingerprint.clone();
    let settings = CollectionSettings {
        fingerprint: encoder.fingerprint().clone(),
        dimension: encoder.dimension(),
        splitter: SPLITTER_VERSION,
        ..old.clone()
    };
    let settings = settings.split(splitting)?;
    if settings == old {
        let name = scope.collection.as_str();
        return Err(Error::invalid("collection", format!("{name:?} is split so and encoded by {before} already")));
    }
    make(index.as_ref(), settings, scope, &new)?;
    let mut follow = Follow { encoder, index, splitting, deadline, encoded: 0 };
    for _ in 0..LOOKS {
        if follow.all(scope, &new, &|_, _| true)? == 0 {
            break;
        }
    }
    let known = known(index.view(&new)?.as_ref())?;
    index.switch(scope, &new)?;
    // From here on the names are the other way round.
    let unchanged = |id: &DocumentId, now: Option<Revision>| known.get(&hash::of_texts([id.as_str()])).copied() == now;
    follow.all(&new, scope, &unchanged)?;
    if !keep {
        index.delete_collection(&new)?;
    }
    Ok(Reindexed { before, encoded: follow.encoded, documents: index.collection(scope)?.documents })
}

/// Makes the new collection, or takes what an interrupted call has left of it; another one is not touched.
fn make(index: &dyn Index, settings: CollectionSettings, scope: &Scope, new: &Scope) -> Result<()> {
    let settings = CollectionSettings { in_place_of: Some(scope.collection.clone()), ..settings };
    match index.create_collection(new, &settings) {
        Err(Error::AlreadyExists { .. }) => {}
        made => return made,
    }
    let there = index.view(new)?.settings().clone();
    if there == settings {
        return Ok(());
    }
    let (name, of) = (new.collection.as_str(), scope.collection.as_str());
    let what = if there.in_place_of == settings.in_place_of {
        format!("{name:?} was made in place of {of:?} by another encoder or splitting; delete it, or name another")
    } else {
        format!("{name:?} is there and was not made in place of {of:?}; delete it, or name another")
    };
    Err(Error::invalid("beside", what))
}

struct Follow<'a> {
    encoder: &'a Arc<dyn Encoder>,
    index: &'a Arc<dyn Index>,
    splitting: Splitting,
    deadline: &'a Deadline,
    encoded: u64,
}

impl Follow<'_> {
    /// Makes one collection's documents those of another, of which `may` says whether they may be replaced or deleted.
    /// Returns how many were.
    fn all(&mut self, from: &Scope, to: &Scope, may: &dyn Fn(&DocumentId, Option<Revision>) -> bool) -> Result<u64> {
        let new = match self.index.view(to) {
            Ok(new) => Some(new),
            Err(Error::NotFound { .. }) => None,
            Err(e) => return Err(e),
        };
        let current = |id: &DocumentId| new.as_ref().map_or(Ok(None), |view| view.document(id));
        let mut wanted = |head: &DocumentHead| {
            let there = current(&head.id)?;
            let there = there.as_deref();
            Ok(!there.is_some_and(|there| there.says_the_same(head))
                && may(&head.id, there.map(|there| there.revision)))
        };
        let admit = Box::new(|_: &DocumentHead| Ok(()));
        let mut import = Import::new(self.encoder.clone(), self.index.clone(), to.clone(), admit).split(self.splitting);
        let taking = &mut |frame| import.take_frame(frame, self.deadline);
        let open = || self.index.view_until(from, self.deadline);
        if let Err(e) = frames(&open, &from.collection, false, &mut wanted, self.deadline, taking) {
            // Why it ended counts; what can't be given up now is never seen either.
            let _ = import.give_up();
            return Err(e);
        }
        let encoded = import.finish()?.written;
        self.encoded += encoded;
        let (mut gone, old) = (Vec::new(), self.index.view_until(from, self.deadline)?);
        if let Some(new) = &new {
            each_document(new.as_ref(), &mut |head| {
                if old.document(&head.id)?.is_none() && may(&head.id, Some(head.revision)) {
                    gone.push(head.id.clone());
                }
                Ok(())
            })?;
        }
        let deleted = if gone.is_empty() { 0 } else { self.index.delete(to, &Selector::Ids(gone))? };
        Ok(encoded + deleted)
    }
}

fn known(view: &dyn View) -> Result<Known> {
    let mut known = Known::new();
    each_document(view, &mut |head| {
        known.insert(hash::of_texts([head.id.as_str()]), head.revision);
        Ok(())
    })?;
    Ok(known)
}
