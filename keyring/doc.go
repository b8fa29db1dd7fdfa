// Package keyring seals secrets that are kept at rest: AES-256-GCM under named keys, with rotation.
//
// Three calls do the main job: [Parse] reads the keys from the environment's text ([ReadFile] from a
// file, [Generate] makes the first), [Ring.Seal] seals under the primary key, and [Ring.Open] opens
// what any key of the ring sealed, if it is handed the same [Binding]. Services ask for a [Sealer],
// which a Ring is and [FromAEAD] makes of a key service's client.
//
// To rotate, put a new key before the old ones and start the program with them; the old keys go once
// [Sealer.KeyName] finds nothing under them any more:
//
//	text := keyring.Generate().Reveal() + "\n" + old.Reveal()
//
// A sealed value is a header (one byte 1, the format; one byte, the length of the key's name; the
// name), then what the key made of the plaintext: for a Ring the nonce (12 bytes), the ciphertext and
// the tag (16 bytes). The associated data is the header followed by the Binding's Purpose, Account and
// Item, each as its length (4 bytes, big-endian) and its bytes. So neither the format nor the name of
// the key can be edited, and no value can be moved to where it was not sealed for.
//
// No ring key encrypts anything itself. A value's key is derived with HKDF-SHA-256 (RFC 5869) from the
// ring key, without a salt, where info is "gatehouse/keyring/1/AES-256-GCM" followed by Purpose and
// Account, each with its length as above. Under one key at most 2^32 values may have random nonces of
// 96 bits (NIST SP 800-38D §8.3): counted for one purpose of one account that is out of reach. Where
// Account is empty, all values of the Purpose share a key, and 2^32 of them call for a new ring key.
//
// [Ring.MAC] derives its keys in the same way, with "HMAC-SHA-256" instead of "AES-256-GCM", and authenticates the
// Binding as above, followed by the message.
package keyring

import "errors"

const (
	// maxPlaintext and maxSealed, in bytes, are far above any secret, and bound what hostile input
	// can cost. The room between them is for what a key service adds.
	maxPlaintext = 32 << 10
	maxSealed    = 64 << 10
	// maxPart bounds each part of a Binding, in bytes. An account's ID has at most 255.
	maxPart = 1 << 10
)

var (
	// ErrKeys says that keys cannot be read or used: none at all, a bad or duplicate name, a wrong
	// length, a file that others may read.
	ErrKeys = errors.New("keyring: bad keys")
	// ErrSeal says that a value cannot be sealed: it or its Binding is too long, or an AEAD failed.
	ErrSeal = errors.New("keyring: cannot seal")
	// ErrUnknownKey says that a value names a key that is not in the ring.
	ErrUnknownKey = errors.New("keyring: unknown key")
	// ErrOpen says that a value is not authentic: changed, cut, sealed for another Binding, or never
	// sealed; or that an AEAD failed.
	ErrOpen = errors.New("keyring: cannot open")
)
