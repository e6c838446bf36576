//! A listening socket ready for a storm: deep backlog, rebindable, shareable between threads.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections the kernel holds for us until we accept them; the usual 128 overflow in a storm, and
/// an overflow is silence for 1 s at the client.
const BACKLOG: i32 = 4096;

/// Binds and listens, non-blocking, with SO_REUSEADDR.
///
/// `shared` adds SO_REUSEPORT: several sockets on one port, among which the kernel deals connections.
///
/// # Errors
/// Those of socket(2), bind(2) and listen(2).
pub fn listen(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A port that is ours without anybody listening on it.
#[derive(Debug)]
pub struct Reservation {
    _socket: Socket,
    address: SocketAddr,
}

impl Reservation {
    /// Where others may [`listen`] as long as this lives, with `shared`.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes an address (port 0: a free one) for listeners in other processes, after making sure that
/// nobody else has it: a port that is shared is also shared with a stranger's listener.
///
/// # Errors
/// Those of socket(2), bind(2) and listen(2).
pub fn reserve(address: SocketAddr) -> io::Result<Reservation> {
    drop(listen(address, false)?);
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    // From here on only those who share may come: SO_REUSEADDR lets others in where nobody listens.
    socket.set_reuse_address(false)?;
    // Not listening: the kernel deals it no connection.
    let bound = socket.local_addr()?.as_socket();
    let address = bound.ok_or_else(|| io::Error::other("bound to no address"))?;
    Ok(Reservation {
        _socket: socket,
        address,
    })
}

/// Changes how many connections the kernel holds for us; `None` = as many as at first.
///
/// # Errors
/// Those of listen(2), which on Linux may be called again.
pub fn set_backlog(listener: &impl AsFd, connections: Option<u32>) -> io::Result<()> {
    let connections = connections.map_or(BACKLOG, |n| i32::try_from(n).unwrap_or(i32::MAX));
    SockRef::from(listener).listen(connections)
}

/// Whether accepting or dialling failed for want of descriptors or memory: waiting helps.
pub fn is_shortage(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let shortages = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM];
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.is_some_and(|errno| shortages.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shared_sockets_share_a_port() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = listen(any, true).expect("a free port");
        let address = first.local_addr().expect("bound");
        assert!(listen(address, true).is_ok());
        let error = listen(address, false).expect_err("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_reserved_port_is_held_for_those_who_share_and_takes_no_connection() {
        let held = reserve(([127, 0, 0, 1], 0).into()).expect("a free port");
        let dial = || std::net::TcpStream::connect(held.address());
        let error = dial().expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let listener = listen(held.address(), true).expect("shared");
        for _ in 0..20 {
            let near = dial().expect("it listens");
            let accepted = loop {
                match listener.accept() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    accepted => break accepted,
                }
            };
            let (_, peer) = accepted.expect("accepted");
            assert_eq!(near.local_addr().expect("connected"), peer);
        }
        assert!(reserve(held.address()).is_err(), "a listener has it");
        drop(listener);
        let alone = listen(held.address(), false);
        assert!(alone.is_err(), "held while nobody listens");
        assert!(listen(held.address(), true).is_ok(), "for those who share");
    }
}
