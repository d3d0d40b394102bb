//! Whose `X-Forwarded-For` counts, and the address of the caller that follows from it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The most addresses of `X-Forwarded-For` that are looked at.
const HOPS_MAX: usize = 32;

/// The networks whose proxies are believed; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// A configured network is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no network; expected an address or a CIDR block with no host bits, like `10.0.0.0/8`")]
pub struct BadNetwork {
    /// What was found.
    pub found: String,
}

impl TrustedProxies {
    /// Takes addresses and CIDR blocks. Fails with [`BadNetwork`], also for a block with host bits set,
    /// since its writer meant another one.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, BadNetwork> {
        let parse = |text: &str| Network::parse(text).ok_or_else(|| BadNetwork { found: text.to_owned() });
        networks.into_iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Says whether an address belongs to a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.holds(address))
    }

    /// The address of the caller: the peer, or, where the peer is a trusted proxy, the right-most address
    /// of `X-Forwarded-For` that is not one. What stands further left was written by the caller and is
    /// never believed; an entry that is no address ends the search at the last hop known.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let lines: Vec<&[u8]> =
            headers.get_all("x-forwarded-for").iter().map(|value| value.as_bytes()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b','));
        for hop in hops.take(HOPS_MAX) {
            let Some(address) = parse_hop(hop) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        let network = Self { address, prefix_bits };
        (prefix_bits <= most && bits(address) & !network.mask() == 0).then_some(network)
    }

    /// The bits that addresses of the network share, left-aligned in 128 bits.
    fn mask(&self) -> u128 {
        match self.prefix_bits {
            0 => 0,
            bits => u128::MAX << (128 - u32::from(bits)),
        }
    }

    fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && bits(address) & self.mask() == bits(self.address)
    }
}

/// The bits of an address, left-aligned in 128 bits.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Reads one entry: an address, or one with a port as some proxies write it.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address =
        bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}
