//! Checks of the environment: variables that set options, and variables that only look as if they did.

use wxtoken::tool::options;

use super::{Findings, Level};

pub fn look(found: &mut Findings) {
    let mut known = vec![
        "WXTOKEN_STORE".to_owned(),
        "WXTOKEN_STORE_PASSWORD_FILE".to_owned(),
    ];
    known.extend(
        options()
            .iter()
            .map(|option| format!("WXTOKEN_{}", option.name.to_ascii_uppercase())),
    );
    let mut set: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        })
        .filter(|(name, _)| name.starts_with("WXTOKEN_"))
        .collect();
    set.sort();
    let (ours, strange): (Vec<_>, Vec<_>) =
        set.into_iter().partition(|(name, _)| known.contains(name));
    if !ours.is_empty() {
        let shown: Vec<String> = ours
            .iter()
            .map(|(name, value)| described(name, value))
            .collect();
        found.note("environment", shown.join(", "));
    }
    for (name, _) in strange {
        if name.contains("SECRET") {
            let why = format!(
                "{name} is set: every process of this user can read it, and wxtoken does not use it"
            );
            found.advise(
                "environment",
                Level::Warning,
                why,
                format!("unset {name}; wxtoken account add asks for the secret"),
            );
        } else {
            found.advise(
                "environment",
                Level::Note,
                format!("{name} is not an option of wxtoken"),
                "see wxtoken --help for the options",
            );
        }
    }
}

/// The variables whose value may be a secret in any form.
const HIDDEN: [&str; 2] = ["WXTOKEN_PROXY", "WXTOKEN_SERVER_KEY"];

/// Returns a variable with its value. A value that may hold a secret is left out. In a URL, a login ends at an `@`, and
/// a query follows a `?`.
fn described(name: &str, value: &str) -> String {
    if HIDDEN.contains(&name) || value.contains(['@', '?']) {
        return format!("{name} is set");
    }
    format!("{name}={value}")
}
