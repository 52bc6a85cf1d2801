//! The socket's file: taken from systemd, or made so that nobody ever sees it with the wrong mode.
//!
//! In: a path. Out: a listening socket, and its file removed at the end if it was made here.
//! Never: takes the place of a daemon that answers, or removes a file that is no socket.

use super::Door;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A listening socket.
#[derive(Debug)]
pub struct Listening {
    socket: UnixListener,
    path: PathBuf,
    /// The file to remove at the end, with the number it had: another daemon may have taken its place.
    ours: Option<(u64, u64)>,
}

/// What the server needs of it.
pub struct Server {
    pub(super) listener: tokio::net::UnixListener,
    pub(super) door: Door,
}

/// Listens: on the socket systemd hands over, else on a new one at this path.
///
/// # Errors
/// A sentence with a remedy.
pub fn listen(path: &Path) -> Result<Listening, String> {
    let handed = listenfd::ListenFd::from_env().take_unix_listener(0);
    let handed = handed.map_err(|e| format!("The socket handed over by systemd cannot be used: {e}. Check the socket unit."))?;
    if let Some(socket) = handed {
        let address = socket.local_addr().ok().and_then(|a| a.as_pathname().map(Path::to_owned));
        return ready(socket, address.unwrap_or_else(|| path.to_owned()), None);
    }
    let failed = |what: &str, error: &io::Error| {
        format!(
            "The admin socket {} cannot be {what}: {error}. Check its folder and permissions, or choose another [admin] socket.",
            path.display()
        )
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| failed("made", &e))?;
    free(path)?;
    // Short, so that it fits wherever the path itself does.
    let fresh = folder.join(format!(".b{}", std::process::id()));
    let _ = std::fs::remove_file(&fresh);
    let made = UnixListener::bind(&fresh).and_then(|socket| {
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o660))?;
        let meta = std::fs::metadata(&fresh)?;
        std::fs::rename(&fresh, path)?;
        Ok((socket, (meta.dev(), meta.ino())))
    });
    match made {
        Ok((socket, number)) => ready(socket, path.to_owned(), Some(number)),
        Err(error) => {
            let _ = std::fs::remove_file(&fresh);
            Err(failed("made", &error))
        }
    }
}

fn ready(socket: UnixListener, path: PathBuf, ours: Option<(u64, u64)>) -> Result<Listening, String> {
    socket.set_nonblocking(true).map_err(|e| format!("The admin socket cannot be used: {e}."))?;
    Ok(Listening { socket, path, ours })
}

/// Makes sure that nobody answers at this path. What a dead daemon left there is removed.
fn free(path: &Path) -> Result<(), String> {
    let meta = match std::fs::symlink_metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("The admin socket {} cannot be looked at: {error}. Check its folder.", path.display())),
    };
    if !meta.file_type().is_socket() {
        return Err(format!(
            "{} exists and is no socket. Move it away, or choose another [admin] socket; it was left as it is.",
            path.display()
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(format!(
            "Another Beffroi answers at {0}. Stop it first with 'beffroi stop --socket {0}', or choose another [admin] socket.",
            path.display()
        )),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)
            .map_err(|e| format!("The socket {} of a daemon that has ended cannot be removed: {e}.", path.display())),
        Err(error) => Err(format!("The admin socket {} cannot be used: {error}. Check its permissions.", path.display())),
    }
}

impl Listening {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The socket for the server. Must be called inside its runtime.
    ///
    /// # Errors
    /// When the socket or its file cannot be looked at.
    pub fn server(&self) -> io::Result<Server> {
        Ok(Server { listener: tokio::net::UnixListener::from_std(self.socket.try_clone()?)?, door: self.door()? })
    }

    /// Removes the file, if it was made here and is still the same.
    pub fn remove(&self) {
        let there = std::fs::symlink_metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        if self.ours.is_some() && there == self.ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn door(&self) -> io::Result<Door> {
        let own = UnixStream::pair()?.0;
        own.set_nonblocking(true)?;
        let uid = tokio::net::UnixStream::from_std(own)?.peer_cred()?.uid();
        let meta = std::fs::metadata(&self.path)?;
        Ok(Door { uid, gid: meta.gid(), open_to_all: meta.mode() & 0o002 != 0 })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_socket_is_respected_a_dead_one_replaced_and_ours_removed_at_the_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deep/beffroi.sock");
        let first = listen(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        let second = listen(&path).unwrap_err();
        assert!(second.contains("Another Beffroi answers"), "{second}");
        drop(first);
        assert!(!path.exists());
        // What a killed daemon leaves behind: a socket file without a listener.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let third = listen(&path).unwrap();
        assert!(UnixStream::connect(third.path()).is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("beffroi.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(listen(&path).unwrap_err().contains("is no socket"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn only_strangers_on_an_open_socket_may_not_write() {
        let door = |open_to_all| Door { uid: 100, gid: 200, open_to_all };
        assert!(door(true).admits(0, 0) && door(true).admits(100, 7) && door(true).admits(5, 200));
        assert!(!door(true).admits(5, 7));
        assert!(door(false).admits(5, 7), "the file's mode let them in as members of its group");
    }
}
