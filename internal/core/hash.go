package core

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

// Hash is what is stored of a recovery code. An Argon2id hash of the shape that package recovery writes is 54 bytes
// instead of 97 of text, with what stands before it behind them:
//
//	1, KiB of memory (3 bytes), passes (1), lanes (1), salt (16), tag (32), what stands before it
//
// The hash of any other kind is its text. Nothing here says whether a hash can be verified: package recovery does.
type Hash string

const (
	packedHash = 1 // no text begins with it
	packedSize = 1 + 3 + 1 + 1 + saltSize + hashSize
	saltSize   = 16
	hashSize   = 32

	argonPrefix = "$argon2id$v=19$m="
)

var phc = base64.RawStdEncoding.Strict()

// NewHash returns the hash that a text is. It has one form for each text, and Text gives the same text back.
func NewHash(text string) Hash {
	if h, ok := pack(text); ok && h.Text() == text {
		return h
	}
	return Hash(text)
}

// pack reads what may be a hash of the usual shape. Whether it was, its Text says.
func pack(text string) (Hash, bool) {
	at := strings.LastIndex(text, argonPrefix)
	if at < 0 {
		return "", false
	}
	fields := strings.FieldsFunc(text[at+len(argonPrefix):], func(r rune) bool { return r == ',' || r == '$' })
	if len(fields) != 5 {
		return "", false
	}
	memory, err1 := strconv.ParseUint(fields[0], 10, 24)
	passes, err2 := strconv.ParseUint(strings.TrimPrefix(fields[1], "t="), 10, 8)
	lanes, err3 := strconv.ParseUint(strings.TrimPrefix(fields[2], "p="), 10, 8)
	salt, err4 := phc.DecodeString(fields[3])
	tag, err5 := phc.DecodeString(fields[4])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || err5 != nil || len(salt) != saltSize || len(tag) != hashSize {
		return "", false
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(memory))
	b[0] = packedHash
	b = append(b, byte(passes), byte(lanes))
	b = append(append(b, salt...), tag...)
	return Hash(append(b, text[:at]...)), true
}

func (h Hash) packed() bool { return len(h) >= packedSize && h[0] == packedHash }

// Text returns the hash as package recovery has it.
func (h Hash) Text() string {
	if !h.packed() {
		return string(h)
	}
	memory := uint64(h[1])<<16 | uint64(h[2])<<8 | uint64(h[3])
	text := append([]byte(h[packedSize:]), argonPrefix...)
	text = strconv.AppendUint(text, memory, 10)
	text = strconv.AppendUint(append(text, ",t="...), uint64(h[4]), 10)
	text = strconv.AppendUint(append(text, ",p="...), uint64(h[5]), 10)
	salt, tag := h[6:6+saltSize], h[6+saltSize:packedSize]
	text = phc.AppendEncode(append(text, '$'), []byte(salt))
	text = phc.AppendEncode(append(text, '$'), []byte(tag))
	return string(text)
}

// broken reports whether NewHash makes no such hash of any text.
func (h Hash) broken() bool {
	if h.packed() {
		return len(h) > packedSize && h[packedSize] == packedHash
	}
	return strings.HasPrefix(string(h), string(rune(packedHash))) || strings.Contains(string(h), argonPrefix) && NewHash(string(h)) != h
}
