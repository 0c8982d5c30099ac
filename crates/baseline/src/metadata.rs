//! The provider's metadata address, shut to all but root: user-data lies there for any
//! process to read, long after the first boot.
//!
//! Shut with a table of nftables of its own, which neither UFW nor an administrator's
//! rules touch. Only TCP: some providers resolve names at the same address.

/// Path of the table.
pub(crate) const TABLE_FILE: &str = "/etc/holdfast-agent/metadata.nft";

/// 169.254.169.254 is every provider's; Linode has `fd00:a9fe:a9fe::1` beside it.
pub(crate) const TABLE: &str = "\
# Written by Holdfast: the metadata address is for root alone.
table inet holdfast_metadata
delete table inet holdfast_metadata
table inet holdfast_metadata {
  chain output {
    type filter hook output priority -10; policy accept;
    meta skuid 0 accept
    ip daddr 169.254.169.254 meta l4proto tcp reject with tcp reset
    ip6 daddr { fd00:a9fe:a9fe::1, fd00:ec2::254 } meta l4proto tcp reject with tcp reset
  }
}
";

/// The unit that loads it.
pub const METADATA_UNIT: &str = "holdfast-metadata.service";
/// Path of the unit.
pub(crate) const UNIT_FILE: &str = "/etc/systemd/system/holdfast-metadata.service";
/// Before the network is up, so that there is no moment without it.
pub(crate) const UNIT: &str = "\
# Written by Holdfast.
[Unit]
Description=Holdfast: the metadata address is for root alone
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/holdfast-agent/metadata.nft
ExecStop=/usr/sbin/nft delete table inet holdfast_metadata

[Install]
WantedBy=sysinit.target
";
