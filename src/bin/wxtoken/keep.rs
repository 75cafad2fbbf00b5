//! `wxtoken keep`: refreshes every account ahead of all others.

use wxtoken::tool::{Result, Store};

/// Runs until SIGTERM or SIGINT.
pub fn run(store: &Store) -> Result<()> {
    let _ = store.keeper()?;
    Ok(())
}
