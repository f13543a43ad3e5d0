use super::{crc32c, crc32c_append, folding};

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

#[test]
fn the_checksum_of_the_standards_example() {
    // RFC 3720, B.4: 32 bytes of zeros; and the check value of the CRC catalogue.
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn every_length_and_start_is_as_the_plain_way_has_it() {
    let bytes = noise(5000);
    for len in (0..1200).chain([2048, 4095, 4096, 4097, 4990]) {
        for start in [0, 1, 7] {
            let bytes = &bytes[start..start + len];
            for crc in [0, 1, u32::MAX, 0x1234_5678] {
                let plain = crc32c::crc32c_append(crc, bytes);
                assert_eq!(crc32c_append(crc, bytes), plain, "{len} bytes from {start}");
                // Also what the length would have spared it.
                if let Some(folded) = folding::append(crc, bytes) {
                    assert_eq!(folded, plain, "{len} bytes from {start}, folded");
                }
            }
        }
    }
}

#[test]
fn parts_make_the_whole() {
    let bytes = noise(9000);
    for cut in [0, 1, 511, 512, 513, 4096, 8999, 9000] {
        let (front, back) = bytes.split_at(cut);
        assert_eq!(crc32c_append(crc32c(front), back), crc32c(&bytes));
    }
}
