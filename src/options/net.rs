//! A network prefix: `10.0.0.0/8`, `2001:db8::/32`, or an address.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Net {
    V4 { address: Ipv4Addr, bits: u32 },
    V6 { address: Ipv6Addr, bits: u32 },
}

/// `ADDRESS` or `ADDRESS/BITS`. IPv4-mapped ones are IPv4.
pub fn parse_net(text: &str) -> Result<Net, String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr =
        address.parse().map_err(|_| format!("`{address}` is no IP address; give 10.0.0.0/8 or 2001:db8::/32"))?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => longest,
        Some(bits) => bits
            .parse::<u32>()
            .ok()
            .filter(|&bits| bits <= longest && !text.contains('+'))
            .ok_or_else(|| format!("`{bits}` is no length of a prefix (0 to {longest})"))?,
    };
    let (begin, net) = match address {
        IpAddr::V4(address) => begin_of_v4(address, bits),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) if bits >= 96 => begin_of_v4(address, bits - 96),
            _ => {
                let begin = Ipv6Addr::from(u128::from(address) & !u128::MAX.checked_shr(bits).unwrap_or(0));
                (begin.into(), Net::V6 { address, bits })
            }
        },
    };
    let given = match net {
        Net::V4 { address, .. } => IpAddr::from(address),
        Net::V6 { address, .. } => address.into(),
    };
    if begin == given {
        Ok(net)
    } else {
        Err(format!("an address in the middle of the net; give {begin}/{}", net.bits()))
    }
}

fn begin_of_v4(address: Ipv4Addr, bits: u32) -> (IpAddr, Net) {
    let begin = Ipv4Addr::from(u32::from(address) & !u32::MAX.checked_shr(bits).unwrap_or(0));
    (begin.into(), Net::V4 { address, bits })
}

impl Net {
    /// Its address, the mask and the IP version, as the kernel side has them.
    pub(super) fn words(self) -> ([u32; 4], [u32; 4], u8) {
        let words = |bytes: [u8; 16]| {
            std::array::from_fn(|word| u32::from_ne_bytes([0, 1, 2, 3].map(|byte| bytes[4 * word + byte])))
        };
        let mask = |bits| words((!u128::MAX.checked_shr(bits).unwrap_or(0)).to_be_bytes());
        match self {
            Self::V4 { address, bits } => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&address.octets());
                (words(bytes), mask(bits), 4)
            }
            Self::V6 { address, bits } => (words(address.octets()), mask(bits), 6),
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::V4 { bits, .. } | Self::V6 { bits, .. } => bits,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v4(address: [u8; 4], bits: u32) -> Result<Net, String> {
        Ok(Net::V4 { address: address.into(), bits })
    }

    #[test]
    fn nets() {
        assert_eq!(parse_net("10.0.0.0/8"), v4([10, 0, 0, 0], 8));
        assert_eq!(parse_net("10.1.2.3"), v4([10, 1, 2, 3], 32));
        assert_eq!(parse_net("0.0.0.0/0"), v4([0; 4], 0));
        assert_eq!(parse_net("::/0"), Ok(Net::V6 { address: Ipv6Addr::UNSPECIFIED, bits: 0 }));
        assert_eq!(parse_net("2001:db8::/32"), Ok(Net::V6 { address: "2001:db8::".parse().unwrap(), bits: 32 }));
        assert_eq!(parse_net("::1"), Ok(Net::V6 { address: Ipv6Addr::LOCALHOST, bits: 128 }));
    }

    #[test]
    fn mapped_ones_are_ipv4() {
        assert_eq!(parse_net("::ffff:10.0.0.0/104"), v4([10, 0, 0, 0], 8));
        assert_eq!(parse_net("::ffff:10.1.2.3"), v4([10, 1, 2, 3], 32));
        assert_eq!(parse_net("::ffff:0.0.0.0/96"), v4([0; 4], 0));
    }

    #[test]
    fn what_is_no_net_is_an_error() {
        for bad in [
            "",
            "/",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "10/8",
            "host",
            "::ffff:0:0/95",
        ] {
            assert!(parse_net(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_net("10.1.2.3/8"), Err("an address in the middle of the net; give 10.0.0.0/8".into()));
        assert_eq!(parse_net("::1/127"), Err("an address in the middle of the net; give ::/127".into()));
    }

    proptest! {
        #[test]
        fn no_value_panics(text: String) {
            let _ = parse_net(&text);
        }
    }
}
