//! Quoting of words in commands that a person may copy into a shell.

/// Returns a word with the quotes that a shell needs.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(quoted("/var/lib/wx.db"), "/var/lib/wx.db");
        assert_eq!(quoted("my shop's"), r"'my shop'\''s'");
    }
}
