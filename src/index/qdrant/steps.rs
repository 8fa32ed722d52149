//! Ranges as words: a value is written in hexadecimal digits that sort as it does, and held by one word for every beginning
//! of them. What lies between two bounds is then some hundred beginnings, whatever the values are (Schindler and
//! Diepenbroek, *Generic XML-based framework for metadata portals*, Computers & Geosciences 34, 2008).

use std::cmp::Ordering;

use crate::document::MetadataValue;

/// Longest text that has such words, in bytes: dates, times and versions are shorter.
const MAX_TEXT_BYTES: usize = 32;
/// What the digits of a text end with: before all digits, as a text is before those that it begins.
const END: char = '.';
/// What digits are made of, in order.
const DIGITS: [char; 17] = [END, '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// What sorts among itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// 16 digits each.
    Number,
    /// Two digits for every byte, and [`END`].
    Text,
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
        MetadataValue::Text(text) => Some((Sort::Text, beginning(text) + END.encode_utf8(&mut [0; 1]))),
        _ => None,
    }
}

/// What the digits of every text begin with that begins with this one.
pub(super) fn beginning(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every beginning of some digits.
pub(super) fn beginnings(digits: &str) -> impl Iterator<Item = &str> {
    (1..=digits.len()).map(|end| &digits[..end])
}

/// What the digits of values begin with that lie between two bounds, each with whether it is included: nothing between those
/// of two sorts, nor beside one that nothing compares with. `None` where there is no bound.
pub(super) fn between(
    from: Option<&(MetadataValue, bool)>,
    to: Option<&(MetadataValue, bool)>,
) -> Option<(Sort, Vec<String>)> {
    let (first, _) = from.or(to)?;
    let sort = if matches!(first, MetadataValue::Number(_)) { Sort::Number } else { Sort::Text };
    let bound = |(value, included): &(MetadataValue, bool)| match written(value) {
        Some((of, digits)) if of == sort => Ok((digits, *included)),
        _ => Err(()),
    };
    let mut range = Range { at: String::new(), begins: Vec::new() };
    if let (Ok(from), Ok(to)) = (from.map(bound).transpose(), to.map(bound).transpose()) {
        range.walk(from.as_ref().map(Edge::of), to.as_ref().map(Edge::of));
    }
    Some((sort, range.begins))
}

/// What is left of a bound whose first digits are those that were walked.
#[derive(Clone, Copy)]
struct Edge<'a> {
    left: &'a str,
    included: bool,
}

impl<'a> Edge<'a> {
    fn of((digits, included): &'a (String, bool)) -> Self {
        Self { left: digits, included: *included }
    }

    /// How values that go on with a digit compare with the bound; where that is still open, what is left of it.
    fn after(self, digit: char) -> (Ordering, Self) {
        let mut left = self.left.chars();
        let first = left.next();
        (Some(digit).cmp(&first), Self { left: left.as_str(), ..self })
    }
}

/// The beginnings that make up a range, found digit by digit.
struct Range {
    at: String,
    begins: Vec<String>,
}

impl Range {
    /// Those of values that begin with `at`. A bound that they are all within is none any more.
    fn walk(&mut self, from: Option<Edge<'_>>, to: Option<Edge<'_>>) {
        let ends = |edge: Option<Edge<'_>>| edge.is_none_or(|edge| edge.left.is_empty());
        if ends(from) && ends(to) {
            // All of them are within, or there is one, and it is a bound.
            if from.is_none_or(|from| from.included) && to.is_none_or(|to| to.included) {
                self.begins.push(self.at.clone());
            }
            return;
        }
        // No value has more.
        if self.at.len() > 2 * MAX_TEXT_BYTES {
            return;
        }
        for digit in DIGITS {
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
            self.at.push(digit);
            self.walk(from, to);
            self.at.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a value with digits is found by a range.
    fn finds(begins: &[String], value: &MetadataValue) -> bool {
        let (_, digits) = digits(value).unwrap();
        beginnings(&digits).any(|digits| begins.iter().any(|begins| begins == digits))
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
            let Some((sort, begins)) = between(from, to) else {
                prop_assert!(from.is_none() && to.is_none());
                return Ok(());
            };
            prop_assert!(begins.len() <= 4 * 16 * MAX_TEXT_BYTES);
            for value in &values {
                let found = digits(value).unwrap().0 == sort && finds(&begins, value);
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
        assert_eq!(digits(&MetadataValue::Text("2024".into())), Some((Sort::Text, "32303234.".into())));
        for without in ["", "drum", "99 bottles of beer, on the wall of it"] {
            assert_eq!(digits(&MetadataValue::Text(without.into())), None);
        }
    }
}
