//! Ranges as words: a value is written in hexadecimal digits that sort as it does, and held by one word for every beginning
//! of them. What lies between two bounds is then some hundred beginnings, whatever the values are (Schindler and
//! Diepenbroek, *Generic XML-based framework for metadata portals*, Computers & Geosciences 34, 2008).

use std::cmp::Ordering;

use crate::document::MetadataValue;

/// Longest text that has such words, in bytes: dates, times and versions are shorter.
const MAX_TEXT_BYTES: usize = 32;
/// Digits of a number.
const NUMBER_DIGITS: usize = 16;

/// What sorts among itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Number,
    Text,
}

/// What a range consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// All values whose digits begin with these.
    Begins(String),
    /// This text.
    Is(String),
}

/// One end of a range.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    digits: String,
    included: bool,
}

/// The digits of a value. Long texts have none, nor those that begin otherwise than a date or a number does, nor lists.
pub(super) fn digits(value: &MetadataValue) -> Option<(Sort, String)> {
    match value {
        MetadataValue::Text(text) if !is_dated(text) => None,
        value => written(value),
    }
}

/// Whether a text is short enough and begins as a date does.
pub(super) fn is_dated(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && text.starts_with(|c: char| c.is_ascii_digit())
}

/// Any number or text in digits.
fn written(value: &MetadataValue) -> Option<(Sort, String)> {
    match value {
        MetadataValue::Number(number) if !number.is_nan() => {
            // Zero has two signs and is one number.
            let bits = (number + 0.0).to_bits();
            // The farther below zero, the larger the bits.
            let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
            Some((Sort::Number, format!("{ordered:016x}")))
        }
        MetadataValue::Text(text) => Some((Sort::Text, of_text(text))),
        _ => None,
    }
}

/// The digits of any text.
pub(super) fn of_text(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every beginning of some digits.
pub(super) fn beginnings(digits: &str) -> impl Iterator<Item = &str> {
    (1..=digits.len()).map(|end| &digits[..end])
}

/// What lies between two bounds, each with whether it is included: nothing between those of two sorts, nor beside one that
/// nothing compares with. `None` where there is no bound.
pub(super) fn between(
    from: Option<&(MetadataValue, bool)>,
    to: Option<&(MetadataValue, bool)>,
) -> Option<(Sort, Vec<Piece>)> {
    let (first, _) = from.or(to)?;
    let sort = if matches!(first, MetadataValue::Number(_)) { Sort::Number } else { Sort::Text };
    let bound = |(value, included): &(MetadataValue, bool)| match written(value) {
        Some((of, digits)) if of == sort => Ok(Bound { digits, included: *included }),
        _ => Err(()),
    };
    let mut range = Range { sort, at: String::new(), pieces: Vec::new() };
    if let (Ok(from), Ok(to)) = (from.map(bound).transpose(), to.map(bound).transpose()) {
        range.walk(Edge::of(from.as_ref()), Edge::of(to.as_ref()));
    }
    Some((sort, range.pieces))
}

/// What is left of a bound whose digits are those that were walked so far.
#[derive(Clone, Copy)]
struct Edge<'a> {
    left: &'a [u8],
    included: bool,
}

impl<'a> Edge<'a> {
    fn of(bound: Option<&'a Bound>) -> Option<Self> {
        bound.map(|bound| Self { left: bound.digits.as_bytes(), included: bound.included })
    }

    /// How values that go on with a digit compare with the bound; where that is still open, what is left of it.
    fn after(self, digit: u8) -> (Ordering, Self) {
        match self.left.split_first() {
            Some((first, left)) => (digit.cmp(first), Self { left, ..self }),
            None => (Ordering::Greater, self),
        }
    }
}

/// The pieces of a range, found digit by digit.
struct Range {
    sort: Sort,
    at: String,
    pieces: Vec<Piece>,
}

impl Range {
    /// The pieces among values that begin with `at`. A bound that they are all within is none any more.
    fn walk(&mut self, from: Option<Edge<'_>>, to: Option<Edge<'_>>) {
        if from.is_none() && to.is_none() {
            self.pieces.push(Piece::Begins(self.at.clone()));
            return;
        }
        let is_above = from.is_none_or(|from| from.left.is_empty() && from.included);
        let is_below = to.is_none_or(|to| !to.left.is_empty() || to.included);
        if is_above && is_below {
            self.pieces.extend(self.ended());
        }
        let most = if self.sort == Sort::Number { NUMBER_DIGITS } else { 2 * MAX_TEXT_BYTES };
        if self.at.len() == most {
            return;
        }
        for digit in *b"0123456789abcdef" {
            let from = match from.map(|from| from.after(digit)) {
                Some((Ordering::Less, _)) => continue,
                Some((Ordering::Equal, from)) => Some(from),
                Some((Ordering::Greater, _)) | None => None,
            };
            let to = match to.map(|to| to.after(digit)) {
                Some((Ordering::Greater, _)) => continue,
                Some((Ordering::Equal, to)) => Some(to),
                Some((Ordering::Less, _)) | None => None,
            };
            self.at.push(digit.into());
            self.walk(from, to);
            self.at.pop();
        }
    }

    /// The value that has no more digits, if there is one.
    fn ended(&self) -> Option<Piece> {
        match self.sort {
            Sort::Number => (self.at.len() == NUMBER_DIGITS).then(|| Piece::Begins(self.at.clone())),
            Sort::Text => {
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                let bytes = self.at.as_bytes().chunks(2).map(|pair| (pair.len() == 2).then(|| byte(pair))?);
                String::from_utf8(bytes.collect::<Option<_>>()?).ok().map(Piece::Is)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a value with digits is found by a range's pieces.
    fn finds(pieces: &[Piece], value: &MetadataValue) -> bool {
        let (_, digits) = digits(value).unwrap();
        pieces.iter().any(|piece| match piece {
            Piece::Begins(with) => digits.starts_with(with),
            Piece::Is(text) => *value == MetadataValue::Text(text.clone()),
        })
    }

    fn is_within(
        value: &MetadataValue,
        from: Option<&(MetadataValue, bool)>,
        to: Option<&(MetadataValue, bool)>,
    ) -> bool {
        let order = |bound: &MetadataValue| match (value, bound) {
            (MetadataValue::Number(a), MetadataValue::Number(b)) => a.partial_cmp(b),
            (MetadataValue::Text(a), MetadataValue::Text(b)) => Some(a.cmp(b)),
            _ => None,
        };
        let keeps = |bound: Option<&(MetadataValue, bool)>, side| {
            bound.is_none_or(|(bound, included)| {
                order(bound).is_some_and(|order| order == side || (*included && order == Ordering::Equal))
            })
        };
        keeps(from, Ordering::Greater) && keeps(to, Ordering::Less)
    }

    fn value() -> impl Strategy<Value = MetadataValue> {
        let number = prop_oneof![
            any::<f64>(),
            (-3..3i32).prop_map(f64::from),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            Just(-0.0),
        ];
        let dated = prop_oneof!["[0-9][0-9-]{0,3}", "[0-9]\\PC{0,6}", "202[0-9]-0[1-9]-[0-3]", "1{28,32}"];
        prop_oneof![number.prop_map(MetadataValue::Number), dated.prop_map(MetadataValue::Text)]
            .prop_filter("has digits", |value| digits(value).is_some())
    }

    fn bound() -> impl Strategy<Value = Option<(MetadataValue, bool)>> {
        let any_value = prop_oneof![
            value(),
            "\\PC{0,4}|1{30,40}|é?".prop_map(MetadataValue::Text),
            Just(MetadataValue::Number(f64::NAN)),
            Just(MetadataValue::Bool(true)),
        ];
        proptest::option::of((any_value, any::<bool>()))
    }

    proptest! {
        #[test]
        fn a_range_finds_what_is_within(values in proptest::collection::vec(value(), 8), from in bound(), to in bound()) {
            let (from, to) = (from.as_ref(), to.as_ref());
            let Some((sort, pieces)) = between(from, to) else {
                prop_assert!(from.is_none() && to.is_none());
                return Ok(());
            };
            prop_assert!(pieces.len() < 4 * 16 * MAX_TEXT_BYTES);
            for value in &values {
                let found = digits(value).unwrap().0 == sort && finds(&pieces, value);
                prop_assert_eq!(found, is_within(value, from, to), "{:?}", value);
            }
        }
    }

    #[test]
    fn digits_sort_as_their_values_do() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1.0, 0.0, 1e-300, 1.0, 2024.0, f64::INFINITY];
        let written: Vec<_> = numbers.iter().map(|n| digits(&MetadataValue::Number(*n)).unwrap().1).collect();
        assert!(written.is_sorted(), "{written:?}");
        assert_eq!(digits(&MetadataValue::Number(-0.0)), digits(&MetadataValue::Number(0.0)));
        assert_eq!(digits(&MetadataValue::Text("2024".into())), Some((Sort::Text, "32303234".into())));
        for without in ["", "drum", "99 bottles of beer, on the wall of it"] {
            assert_eq!(digits(&MetadataValue::Text(without.into())), None);
        }
    }
}
