//! Files that another user may have put in place, or may change. They are not used to open or seal a secret.
//!
//! A file in a directory that everyone may write to, such as `/tmp`, counts as planted if it belongs to a stranger.
//! Strangers are all users except this process's user, root and the directory's owner. In any other directory, only
//! users who may write to it can have put it there. So a service may use the files of another user, and members of a
//! group may use each other's.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::Uid;

use super::file::user;
use super::place::is_read_only;

/// The reason why a file is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// Anyone could have made the file, and this user did.
    Planted(u32),
    /// Everyone may change the file, which has this mode.
    OpenToAll(u32),
}

impl Distrust {
    /// Judges the file at a path, and a symbolic link there.
    pub fn of(path: &Path) -> Option<Distrust> {
        let link = std::fs::symlink_metadata(path).ok()?;
        if !link.is_symlink() {
            return judge(&link, path);
        }
        // A link has no mode of its own.
        let planted = judge(&link, path).filter(|why| matches!(why, Distrust::Planted(_)));
        let target = std::fs::canonicalize(path).ok()?;
        planted.or_else(|| judge(&std::fs::metadata(&target).ok()?, &target))
    }

    /// Judges an open file, and the file at this path if that is now another one.
    pub fn of_open(file: &File, path: &Path) -> io::Result<Option<Distrust>> {
        let target = std::fs::canonicalize(path)?;
        Ok(judge(&file.metadata()?, &target).or_else(|| Distrust::of(path)))
    }

    /// Returns the reason as a clause after “key file … is not trusted: ”.
    pub fn words(self) -> String {
        match self {
            Distrust::Planted(uid) => format!(
                "it belongs to {}, in a directory where everybody may make files; this process runs as {}",
                user(uid),
                user(Uid::effective().as_raw())
            ),
            Distrust::OpenToAll(mode) => format!("everybody may change it (mode {mode:04o})"),
        }
    }

    /// Returns the advice.
    pub fn advice(self, path: &Path) -> String {
        match self {
            Distrust::Planted(_) => {
                "Find out who put it there, and use a directory that belongs to the service.".into()
            }
            Distrust::OpenToAll(_) => format!("As its owner: chmod o-w {}", path.display()),
        }
    }
}

fn judge(file: &Metadata, path: &Path) -> Option<Distrust> {
    let directory = path.parent().and_then(|up| std::fs::metadata(up).ok());
    let directory = directory.map(|meta| (meta.uid(), meta.mode()));
    let me = Uid::effective().as_raw();
    let mode = file.permissions().mode() & 0o7777;
    let why = distrusted((file.uid(), mode), directory, me)?;
    // On a read-only file system the mode does not matter.
    let is_harmless = matches!(why, Distrust::OpenToAll(_)) && is_read_only(path);
    (!is_harmless).then_some(why)
}

/// Judges by the owner and the mode of a file and of its directory.
fn distrusted(
    (owner, mode): (u32, u32),
    directory: Option<(u32, u32)>,
    me: u32,
) -> Option<Distrust> {
    let is_planted = directory.is_some_and(|(directory_owner, mode)| {
        mode & 0o002 != 0 && ![me, 0, directory_owner].contains(&owner)
    });
    if is_planted {
        return Some(Distrust::Planted(owner));
    }
    (mode & 0o002 != 0).then_some(Distrust::OpenToAll(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: u32 = 1000;
    const SERVICE: u32 = 33;
    const STRANGER: u32 = 65534;

    #[test]
    fn a_strangers_file_in_a_world_writable_directory_is_planted() {
        let sticky = Some((0, 0o41777));
        for owner in [ME, 0] {
            assert_eq!(distrusted((owner, 0o600), sticky, ME), None);
        }
        let planted = Some(Distrust::Planted(STRANGER));
        assert_eq!(distrusted((STRANGER, 0o600), sticky, ME), planted);
        assert_eq!(distrusted((STRANGER, 0o666), sticky, 0), planted);
        assert_eq!(
            distrusted((STRANGER, 0o600), Some((0, 0o42777)), 0),
            planted
        );
        assert_eq!(
            distrusted((STRANGER, 0o600), Some((SERVICE, 0o777)), 0),
            planted
        );
    }

    #[test]
    fn root_and_the_members_of_a_group_work_on_the_files_of_a_service() {
        for directory in [
            // These are: the rights of docs/deploy.md, of a group that shares the directory, of a volume with fsGroup,
            // and of a service whose own directory is open to all.
            (SERVICE, 0o42750),
            (SERVICE, 0o42770),
            (0, 0o42775),
            (SERVICE, 0o40777),
        ] {
            for me in [0, ME, SERVICE] {
                assert_eq!(distrusted((SERVICE, 0o660), Some(directory), me), None);
            }
        }
    }

    #[test]
    fn a_world_writable_file_is_not_trusted() {
        for (mode, is_open) in [(0o666, true), (0o602, true), (0o664, false), (0o644, false)] {
            let why = distrusted((ME, mode), Some((ME, 0o700)), ME);
            assert_eq!(
                why,
                is_open.then_some(Distrust::OpenToAll(mode)),
                "{mode:o}"
            );
        }
    }
}
