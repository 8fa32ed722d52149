//! Text to a language model's tokens, each with its bytes in the text.

use std::ops::Range;
use std::path::Path;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{PreTokenizerWrapper, Tokenizer};

use super::gguf::Gguf;
use crate::error::{Error, Result};

/// Of the kinds of tokens that a GGUF knows, those that stand for no text.
const CONTROL: i64 = 3;
/// Ways of cutting text into words before they are merged to tokens, by their names in a GGUF.
const KNOWN: [&str; 4] = ["smollm", "gpt-2", "gpt2", "default"];

/// A tokenizer. What looks like a control token in a text is read as any other text.
pub(super) struct Tokens(Tokenizer);

/// A token and its bytes.
pub(super) struct Token {
    pub(super) id: i64,
    pub(super) bytes: Range<usize>,
}

impl Tokens {
    /// That of a `tokenizer.json`, else the file's own.
    pub(super) fn of(gguf: &Gguf, tokenizer: Option<&Path>, vocabulary: usize) -> Result<Self> {
        let tokenizer = match tokenizer {
            Some(path) => Tokenizer::from_file(path)
                .map_err(|e| Error::model(path.display().to_string(), format!("is no tokenizer: {e}")))?,
            None => own(gguf)?,
        };
        let size = tokenizer.get_vocab_size(true);
        if size > vocabulary {
            return Err(
                gguf.refuse(format!("has {vocabulary} tokens, its tokenizer {size}: they do not belong together"))
            );
        }
        Ok(Self(tokenizer))
    }

    pub(super) fn read(&self, text: &str) -> Result<Vec<Token>> {
        let encoding = self.0.encode(text, false).map_err(|e| Error::Reader(e.to_string()))?;
        let tokens = encoding.get_ids().iter().zip(encoding.get_offsets());
        Ok(tokens.map(|(id, (start, end))| Token { id: i64::from(*id), bytes: *start..*end }).collect())
    }
}

/// The byte-pair encoding that a GGUF holds.
fn own(gguf: &Gguf) -> Result<Tokenizer> {
    let bring = "bring its tokenizer.json";
    let model = gguf.text("tokenizer.ggml.model").unwrap_or("none");
    let words = gguf.text("tokenizer.ggml.pre").unwrap_or("default");
    if model != "gpt2" || !KNOWN.contains(&words) {
        return Err(
            gguf.refuse(format!("has a tokenizer of a kind that is not known here ({model}, {words}): {bring}"))
        );
    }
    let (Some(tokens), Some(merges)) = (gguf.texts("tokenizer.ggml.tokens"), gguf.texts("tokenizer.ggml.merges"))
    else {
        return Err(gguf.refuse(format!("holds no tokenizer: {bring}")));
    };
    let kinds = gguf.wholes("tokenizer.ggml.token_type").unwrap_or_default();
    let is_text = |n: &usize| kinds.get(*n).is_none_or(|kind| *kind != CONTROL);
    let vocabulary = (0u32..).zip(tokens).map(|(id, token)| (token.clone(), id));
    let vocabulary: Vec<(String, u32)> = vocabulary.filter(|(_, id)| is_text(&(*id as usize))).collect();
    let merges = merges.iter().map(|m| m.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())));
    let merges: Vec<(String, String)> =
        merges.collect::<Option<_>>().ok_or_else(|| gguf.refuse("holds a merge that is not of two parts"))?;
    let bpe = BPE::builder().vocab_and_merges(vocabulary.into_iter().collect::<Vocab>(), merges).build();
    let bpe = bpe.map_err(|e| gguf.refuse(format!("its tokenizer: {e}")))?;
    let mut tokenizer = Tokenizer::new(bpe);
    let by_bytes = PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, false, true));
    let words =
        if words == "smollm" { vec![PreTokenizerWrapper::Digits(Digits::new(true)), by_bytes] } else { vec![by_bytes] };
    tokenizer.with_pre_tokenizer(Some(Sequence::new(words)));
    Ok(tokenizer)
}
