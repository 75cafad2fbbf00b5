//! A number with its noun.

/// Returns `1 account`, `2 accounts`.
pub fn count(number: usize, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}
