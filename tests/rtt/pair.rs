//! A connection on loopback, both ends of it in this process.

use std::io::Read;
use std::io::Write;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::errno::Errno;

pub const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
pub const MAPPED: IpAddr = IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped());

pub struct Pair {
    pub client: End,
    pub server: End,
}

pub struct End {
    stream: TcpStream,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// What it had received when the connection was made.
    handshake: u32,
}

/// What the kernel says of a socket.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    pub unacked: u32,
    pub segs_in: u32,
    pub srtt_us: u64,
    pub min_rtt_us: u64,
}

impl Pair {
    /// Connected, and nothing under way. The mapped address is the client's; the server has an IPv4 socket then.
    pub fn new(ip: IpAddr) -> Result<Self> {
        let at = if ip == MAPPED { V4 } else { ip };
        let listener = TcpListener::bind((at, 0)).with_context(|| format!("listening at {at}"))?;
        let client = TcpStream::connect((ip, listener.local_addr()?.port())).context("connecting")?;
        let server = listener.accept().context("accepting")?.0;
        Ok(Self { client: End::new(client)?, server: End::new(server)? })
    }

    /// There and back, `pause` later.
    pub fn exchange(&mut self, pause: Duration) -> Result<()> {
        self.client.stream.write_all(&[1])?;
        self.server.stream.read_exact(&mut [0])?;
        if !pause.is_zero() {
            thread::sleep(pause);
        }
        self.server.stream.write_all(&[2])?;
        self.client.stream.read_exact(&mut [0])?;
        Ok(())
    }

    /// Until what was sent is received and acknowledged: the last acknowledgement is delayed.
    pub fn settle(&self) -> Result<()> {
        for _ in 0..6000 {
            if self.client.info()?.unacked == 0 && self.server.info()?.unacked == 0 {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("what was sent is not acknowledged")
    }
}

impl End {
    fn new(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
        let end = Self { stream, local, remote, handshake: 0 };
        Ok(Self { handshake: end.info()?.segs_in, ..end })
    }

    /// The segments that it has received since it is established.
    pub fn received(&self) -> Result<u64> {
        Ok(u64::from(self.info()?.segs_in - self.handshake))
    }

    pub fn info(&self) -> Result<Info> {
        // struct tcp_info of <linux/tcp.h>; that of the C library ends too early.
        let mut info = [0_u32; 64];
        let mut len = size_of_val(&info) as libc::socklen_t;
        // SAFETY: there is room for `len` bytes.
        let result = unsafe {
            libc::getsockopt(
                self.stream.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut len,
            )
        };
        Errno::result(result).context("TCP_INFO")?;
        Ok(Info { unacked: info[6], srtt_us: info[17].into(), segs_in: info[35], min_rtt_us: info[37].into() })
    }
}
