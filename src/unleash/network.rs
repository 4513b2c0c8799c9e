//! Addresses and networks: `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `2001:db8::/32`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// A range of addresses of one family. An IPv4 address inside IPv6 is an IPv6 address.
#[derive(Clone, Copy, Debug)]
pub(super) enum Network {
    V4(Ipv4Net),
    V6(Ipv6Net),
}

impl Network {
    pub(super) fn read(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        match address.parse().ok()? {
            IpAddr::V4(address) => {
                let length = match length {
                    None => 32,
                    Some(length) => match length.parse::<Ipv4Addr>() {
                        Ok(mask) => ipnet::ipv4_mask_to_prefix(mask).ok()?,
                        Err(_) => length.parse().ok()?,
                    },
                };
                Ipv4Net::new(address, length).ok().map(Network::V4)
            }
            IpAddr::V6(address) => {
                let length = length.map_or(Some(128), |length| length.parse().ok())?;
                Ipv6Net::new(address, length).ok().map(Network::V6)
            }
        }
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self, address) {
            (Network::V4(network), IpAddr::V4(address)) => network.contains(&address),
            (Network::V6(network), IpAddr::V6(address)) => network.contains(&address),
            _ => false,
        }
    }
}

/// Whether the text is an address in one of the networks.
pub(super) fn any_contains(networks: &[Network], text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(address) => networks.iter().any(|network| network.contains(address)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_in_every_form_and_junk_is_none() {
        let holds = |network: &str, address: &str| {
            any_contains(&Network::read(network).into_iter().collect::<Vec<_>>(), address)
        };
        assert!(holds("10.1.2.3", "10.1.2.3"));
        assert!(!holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("10.1.2.3/8", "10.200.0.1"), "host bits are ignored");
        assert!(holds("10.0.0.0/255.255.0.0", "10.0.200.1"));
        assert!(!holds("10.0.0.0/255.255.0.0", "10.1.0.1"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1"));
        assert!(!holds("2001:db8::/32", "10.0.0.1"));
        assert!(!holds("10.0.0.1", "::ffff:10.0.0.1"), "families never mix");
        assert!(holds("::/0", "::ffff:10.0.0.1"));
        let junk = [
            "",
            "/",
            "10.0.0.1/",
            "10.0.0.1/33",
            "10.0.0.1/-1",
            "10.0.0.1/8/8",
            "10.0.0",
            "x",
            "10.0.0.1/255.0.255.0",
            "::1/129",
            "::1/ffff::",
            "10.0.0.01",
            " 10.0.0.1",
        ];
        for text in junk {
            assert!(Network::read(text).is_none(), "{text:?}");
        }
    }
}
