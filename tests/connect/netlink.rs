//! Generic netlink, as far as one request after another needs it.

use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use nix::errno::Errno;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::MsgFlags;
use nix::sys::socket::NetlinkAddr;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockProtocol;
use nix::sys::socket::SockType;
use nix::sys::socket::recv;
use nix::sys::socket::sendto;
use nix::sys::socket::socket;

/// One attribute: its length, its type, its value, padded to four bytes.
pub struct Attribute(Vec<u8>);

impl Attribute {
    pub fn new(kind: u16, value: &[u8]) -> Attribute {
        let mut bytes = Vec::new();
        bytes.extend((4 + value.len() as u16).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        Attribute(bytes)
    }

    pub fn nested(kind: u16, parts: &[Attribute]) -> Attribute {
        Attribute::new(kind | libc::NLA_F_NESTED as u16, &concatenated(parts))
    }
}

fn concatenated(attributes: &[Attribute]) -> Vec<u8> {
    attributes.iter().flat_map(|attribute| attribute.0.iter().copied()).collect()
}

/// A family of requests.
pub struct Generic {
    socket: OwnedFd,
    family: u16,
}

const NETLINK_HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;

impl Generic {
    pub fn family(name: &str) -> Result<Generic> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkGeneric)?;
        let control = Generic { socket, family: libc::GENL_ID_CTRL as u16 };
        let name = Attribute::new(libc::CTRL_ATTR_FAMILY_NAME as u16, format!("{name}\0").as_bytes());
        let answer = control.request(libc::CTRL_CMD_GETFAMILY as u8, &[name])?;
        let family = find(&answer, libc::CTRL_ATTR_FAMILY_ID as u16).context("no family of that name")?;
        Ok(Generic { family, ..control })
    }

    /// The attributes of the answer; empty where the kernel only acknowledges.
    pub fn request(&self, command: u8, attributes: &[Attribute]) -> Result<Vec<u8>> {
        let body = concatenated(attributes);
        let length = (NETLINK_HEADER + GENERIC_HEADER + body.len()) as u32;
        let mut message = Vec::new();
        message.extend(length.to_ne_bytes());
        message.extend(self.family.to_ne_bytes());
        message.extend(((libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16).to_ne_bytes());
        message.extend([0; 8]); // sequence number, port: there is one request at a time
        message.extend([command, 1, 0, 0]); // version 1
        message.extend(body);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), &message, &kernel, MsgFlags::empty()).context("netlink")?;
        let mut answer = Vec::new();
        loop {
            let mut received = [0; 8192];
            let length = recv(self.socket.as_raw_fd(), &mut received, MsgFlags::empty()).context("netlink")?;
            let received = &received[..length];
            ensure!(length >= NETLINK_HEADER + 4, "a short netlink message");
            match u16::from_ne_bytes([received[4], received[5]]) {
                kind if kind == libc::NLMSG_ERROR as u16 => {
                    let error = i32::from_ne_bytes(received[16..20].try_into()?);
                    ensure!(error == 0, "netlink: {}", Errno::from_raw(-error));
                    return Ok(answer);
                }
                _ => answer.extend(&received[NETLINK_HEADER + GENERIC_HEADER..]),
            }
        }
    }
}

/// The value of a two-byte attribute.
fn find(mut attributes: &[u8], wanted: u16) -> Option<u16> {
    loop {
        let length = u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == wanted {
            return attributes.get(4..6).map(|value| u16::from_ne_bytes([value[0], value[1]]));
        }
        attributes = attributes.get(length.next_multiple_of(4).max(4)..)?;
    }
}
