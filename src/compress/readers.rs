//! Who reads for a request, and how much.

use super::{MAX_READ_PASSAGES, Mode, Ranker, ReadingStage, WhoReads};
use crate::error::{Error, Result};
use crate::rank::{ReadingPolicy, Stage, Who};
use crate::read::LazyReader;

/// The readers that there are.
#[derive(Clone, Default)]
pub struct Readers {
    /// Reader-mini.
    pub mini: Option<LazyReader>,
    /// The language model.
    pub language: Option<LazyReader>,
}

impl Readers {
    pub(crate) fn of(&self, who: Who) -> Result<&LazyReader> {
        let (reader, missing) = match who {
            Who::Mini => {
                (&self.mini, "there is no reader-mini here (`mini` is off): use the mode fast, or read with language")
            }
            Who::Language => {
                (&self.language, "there is no language model here (`reader` is off): use the mode fast or mini")
            }
        };
        reader.as_ref().ok_or_else(|| Error::invalid("mode", missing))
    }

    /// The stages of a mode, or of the only reader that is wanted.
    fn stages<'a>(&'a self, policy: &'a ReadingPolicy, mode: Mode, only: Option<Who>) -> Result<Vec<ReadingStage<'a>>> {
        let stage =
            |who: Who, stage: &'a Stage| Ok(ReadingStage { who, reader: self.of(who)?, stage, others_read: false });
        match (mode, only) {
            (Mode::Fast, None) => Ok(Vec::new()),
            (Mode::Fast, Some(_)) => {
                Err(Error::invalid("read_with", "goes with the modes precise and auto: fast reads nothing"))
            }
            (Mode::Mini, Some(Who::Language)) => {
                Err(Error::invalid("read_with", "goes with the modes precise and auto: mini reads with reader-mini"))
            }
            (Mode::Mini, _) | (_, Some(Who::Mini)) => Ok(vec![stage(Who::Mini, &policy.mini)?]),
            (_, Some(Who::Language)) => Ok(vec![stage(Who::Language, &policy.language)?]),
            (Mode::Precise | Mode::Auto, None) => {
                let mini = ReadingStage { others_read: true, ..stage(Who::Mini, &policy.mini)? };
                Ok(vec![mini, stage(Who::Language, &policy.language_after_mini)?])
            }
        }
    }

    /// Who reads for a request; nobody in the mode fast.
    pub(crate) fn reading<'a>(
        &'a self,
        policy: &'a ReadingPolicy,
        mode: Mode,
        ranker: Ranker,
        only: Option<Who>,
        passages: Option<usize>,
    ) -> Result<Option<WhoReads<'a>>> {
        check_read_passages(passages)?;
        let only_where_unsure = mode == Mode::Auto;
        if ranker != Ranker::Fused {
            if only_where_unsure {
                let reason = "auto decides for the fused ranker alone: use precise with this one";
                return Err(Error::invalid("mode", reason));
            }
            if only == Some(Who::Mini) || mode == Mode::Mini {
                let reason = "reads with the language model: leave out read_with, and use the mode precise";
                return Err(Error::invalid("ranker", reason));
            }
            let (who, stage) = (Who::Language, &policy.language);
            let stages = vec![ReadingStage { who, reader: self.of(who)?, stage, others_read: false }];
            return Ok(Some(WhoReads { stages, ranker, passages, only_where_unsure }));
        }
        let stages = self.stages(policy, mode, only)?;
        if stages.is_empty() {
            return match passages {
                Some(_) => Err(Error::invalid("read_passages", "goes with the modes that read: fast reads nothing")),
                None => Ok(None),
            };
        }
        Ok(Some(WhoReads { stages, ranker, passages, only_where_unsure }))
    }
}

fn check_read_passages(passages: Option<usize>) -> Result<()> {
    match passages {
        Some(0) => Err(Error::invalid("read_passages", "must be at least 1")),
        Some(n) if n > MAX_READ_PASSAGES => {
            let (limit, actual) = (MAX_READ_PASSAGES as u64, n as u64);
            Err(Error::LimitExceeded { field: "read_passages", limit, actual })
        }
        _ => Ok(()),
    }
}
