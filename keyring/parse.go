package keyring

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/internal/secretfile"
)

const maxText = 64 << 10 // bytes; some hundreds of keys with comments

// Parse reads keys written as "name:key", separated by white space (space, tab, CR, LF) or commas; '#'
// begins a comment that ends with its line. The first key is the primary.
//
// A name is 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit. A key is 32
// random bytes in standard base64 (RFC 4648 §4) with its padding, 44 characters, as of
//
//	openssl rand -base64 32
//
// Everything else is ErrKeys, also the same name or the same key twice, and text of more than 64 KiB.
// The error tells which key is wrong by counting, and shows nothing of the text.
func Parse(text string) (*Ring, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%w: text of more than %d bytes", ErrKeys, maxText)
	}
	if strings.HasPrefix(text, "\ufeff") {
		return nil, fmt.Errorf("%w: text begins with a byte order mark", ErrKeys)
	}
	var s set[local]
	for _, word := range words(text) {
		name, encoded, ok := strings.Cut(word, ":")
		if !ok {
			return nil, fmt.Errorf("%w: key %d is not name:key", ErrKeys, len(s)+1)
		}
		// Strict, so that a key has one spelling. The decoder's error would show a character.
		b, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("%w: key %d is not standard base64 with padding", ErrKeys, len(s)+1)
		}
		if len(b) != keySize {
			return nil, fmt.Errorf("%w: key %d has %d bytes, not %d", ErrKeys, len(s)+1, len(b), keySize)
		}
		k := newLocal([keySize]byte(b))
		for i, e := range s {
			if e.key == k { // a rotation that changed nothing but the name
				return nil, fmt.Errorf("%w: key %d is key %d under another name", ErrKeys, len(s)+1, i+1)
			}
		}
		if s, err = s.add(name, k); err != nil {
			return nil, err
		}
	}
	if len(s) == 0 {
		return nil, fmt.Errorf("%w: no keys", ErrKeys)
	}
	return &Ring{redact.New(s)}, nil
}

// words returns what stands between the separators, outside of comments.
func words(text string) []string {
	var all []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		line, _, _ = strings.Cut(line, "#")
		all = append(all, strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' })...)
	}
	return all
}

// ReadFile reads the keys in a file, as Parse does. It refuses with ErrKeys what is not a regular file
// and, except on Windows, what others may read or write; mode 0600 or 0400 is right. The file's group may read it
// where the file belongs to another user and the process is in that group: Kubernetes mounts a secret
// like that under a securityContext with fsGroup (root:fsGroup, mode 0440). Secrets mounted into containers have
// 0644 or 0444 unless told otherwise. A file that cannot be read gives the error of package os;
// errors.Is(err, fs.ErrNotExist) says that there is none.
func ReadFile(path string) (*Ring, error) {
	text, err := secretfile.Read(path, maxText)
	var refused secretfile.Refused
	switch {
	case errors.As(err, &refused):
		return nil, fmt.Errorf("%w: %s", ErrKeys, refused)
	case err != nil:
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return Parse(text)
}
