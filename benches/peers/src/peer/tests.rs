use super::*;

#[test]
fn every_peer_has_a_version_in_the_lock_file() {
    for peer in &PEERS {
        let version = peer.version().expect(peer.name);
        assert!(version.split('.').count() == 3, "{}: {version}", peer.name);
    }
}
