//! What the kernel knows about a TCP connection.

use tokio::net::TcpStream;

use super::inspect::TcpState;

#[cfg(target_os = "linux")]
mod option {
    use nix::libc;

    /// `TCP_INFO` (tcp(7)).
    #[derive(Clone, Copy, Debug)]
    pub struct TcpInfo;

    nix::getsockopt_impl!(
        TcpInfo,
        libc::IPPROTO_TCP,
        libc::TCP_INFO,
        libc::tcp_info,
        nix::sys::socket::sockopt::GetStruct<libc::tcp_info>
    );
}

/// SYNs that had to be sent again: right after connect, tcpi_total_retrans counts nothing else.
/// Zero where the system does not tell.
pub(super) fn syn_resends(tcp: &TcpStream) -> u32 {
    #[cfg(target_os = "linux")]
    {
        nix::sys::socket::getsockopt(tcp, option::TcpInfo).map_or(0, |info| info.tcpi_total_retrans)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = tcp;
        0
    }
}

/// How the connection stands.
pub(super) fn state(tcp: &TcpStream) -> TcpState {
    #[cfg(target_os = "linux")]
    {
        let found = nix::sys::socket::getsockopt(tcp, option::TcpInfo);
        found.map_or_else(
            |_| TcpState::default(),
            |info| TcpState {
                unacknowledged: info.tcpi_unacked,
                retransmits: info.tcpi_retransmits.into(),
                backoff: info.tcpi_backoff.into(),
                total_retransmits: info.tcpi_total_retrans,
                window_probes: info.tcpi_probes.into(),
                round_trip_us: info.tcpi_rtt,
            },
        )
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = tcp;
        TcpState::default()
    }
}
