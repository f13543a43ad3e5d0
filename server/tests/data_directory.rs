//! A data directory that cannot be used is refused with the reason, and left as it was.

mod fixture;

use std::fs;

use fixture::{TestServer, config, refusal};
use millstream_server::ServerError;

#[test]
fn one_that_is_in_use() {
    let server = TestServer::start();
    let error = refusal(config(&server.data()));
    assert!(matches!(error, ServerError::Store { .. }), "{error:?}");
    let said = error.to_string();
    assert!(
        said.contains("in use") && said.contains(&*server.data().to_string_lossy()),
        "{said}"
    );
    server.connect().ping();
}

#[test]
fn one_whose_catalog_is_of_a_newer_format() {
    let mut server = TestServer::start();
    server.stop();
    let file = server.data().join("catalog.redb");
    let database = redb::Database::open(&file).unwrap();
    let txn = database.begin_write().unwrap();
    let meta: redb::TableDefinition<'_, &str, u64> = redb::TableDefinition::new("meta");
    let newer = millstream_server::CATALOG_FORMAT + 1;
    txn.open_table(meta)
        .unwrap()
        .insert("format", newer)
        .unwrap();
    txn.commit().unwrap();
    drop(database);
    let error = refusal(config(&server.data()));
    assert!(matches!(error, ServerError::Catalog(_)), "{error:?}");
    assert!(
        error.to_string().contains(&format!("format {newer}")),
        "{error}"
    );
}

#[test]
fn one_whose_store_is_of_a_newer_format() {
    let mut server = TestServer::start();
    server.stop();
    let file = server.data().join("store/STORE");
    let mut bytes = fs::read(&file).unwrap();
    let newer = millstream_engine::STORE_FORMAT + 1;
    bytes[8..12].copy_from_slice(&newer.to_le_bytes());
    let crc = millstream_engine::format::crc32c(&bytes[..24]);
    bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    fs::write(&file, &bytes).unwrap();
    let error = refusal(config(&server.data()));
    assert!(matches!(error, ServerError::Store { .. }), "{error:?}");
    assert!(
        error.to_string().contains(&format!("format {newer}")),
        "{error}"
    );
}

#[test]
fn one_that_holds_something_else() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("letter.txt"), "dear reader").unwrap();
    let error = refusal(config(directory.path()));
    assert!(error.to_string().contains("letter.txt"), "{error}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn one_whose_catalog_is_missing() {
    let mut server = TestServer::start();
    server.connect().create("s", 2);
    server.stop();
    let file = server.data().join("catalog.redb");
    let kept = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let error = refusal(config(&server.data()));
    assert!(error.to_string().contains("catalog.redb"), "{error}");
    // Nothing was removed: with the catalog back, the stream is.
    fs::write(&file, kept).unwrap();
    server.start_again();
    assert_eq!(server.server().counts(), (1, 2));
}

#[test]
fn one_that_is_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data");
    fs::write(&file, "").unwrap();
    let error = refusal(config(&file));
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
}

#[test]
fn one_whose_store_is_missing() {
    let mut server = TestServer::start();
    let mut peer = server.connect();
    peer.create("s", 2);
    peer.put("s", &[("k", b"kept")]);
    server.stop();
    let (store, aside) = (server.data().join("store"), server.data().join("aside"));
    for whole in [true, false] {
        fs::rename(&store, &aside).unwrap();
        if !whole {
            // A directory that was made for it, and nothing in it.
            fs::create_dir(&store).unwrap();
        }
        let said = refusal(config(&server.data())).to_string();
        assert!(
            said.contains("no store") && said.contains("backup"),
            "{said}"
        );
        match whole {
            true => assert!(!store.exists(), "a new store was made"),
            false => fs::remove_dir(&store).unwrap(),
        }
        fs::rename(&aside, &store).unwrap();
    }
    server.start_again();
    assert_eq!(server.server().counts(), (1, 2));
}

#[test]
fn one_whose_store_is_another() {
    let (mut server, mut other) = (TestServer::start(), TestServer::start());
    for server in [&mut server, &mut other] {
        server.connect().create("s", 1);
        server.stop();
    }
    let stores = [&server, &other].map(|server| server.data().join("store"));
    fs::remove_dir_all(&stores[0]).unwrap();
    fs::rename(&stores[1], &stores[0]).unwrap();
    let error = refusal(config(&server.data()));
    assert!(matches!(error, ServerError::Catalog(_)), "{error:?}");
    assert!(error.to_string().contains("belongs to store"), "{error}");
}
