package tokens

import (
	"io"
	"iter"
	"unicode/utf8"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

// Find yields every token of a brand in what it reads: logs, mails, dumps, reports of scanners, binary
// files of any length. A token that occurs twice is yielded twice. An error of the reader is yielded last, and
// that of CheckBrand at once, each with the zero Token.
//
// The checksum decides alone, so it does not matter what is before and after a token. Up to three
// layers of escapes are taken off, within a token too: those of JSON and of programming languages
// (backslashes), of URLs (%5F), of HTML (&#95;) and of mail (quoted-printable, RFC 2045 §6.7). What
// programs put between the symbols is passed over: line breaks with blanks and '>' after them, the
// colors of a terminal, HTML tags, zero bytes as in UTF-16, and characters beyond ASCII such as
// zero-width spaces. All of it may be in base64 (standard or for URLs, from any byte on, on several lines)
// or in hexadecimal, and that may be once more.
//
// Not found is what is compressed, encrypted, in another encoding, changed or cut (also in its
// case), divided by other text, or spread over more than 4 KiB. Decompress what you can before.
//
// It holds 64 KiB, and the time it takes grows with the length of the text, whatever the text is. A token is
// yielded as soon as its last byte is read. As with Parse, one that is yielded is well-formed
// and not yet known to be genuine.
func Find(brand string, from io.Reader) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := CheckBrand(brand); err != nil {
			yield(Token{}, err)
			return
		}
		f := finder{brand: brand}
		buf := make([]byte, 0, 16*maxSpan)
		for idle := 0; ; {
			n, err := from.Read(buf[len(buf):cap(buf)])
			if idle++; n > 0 {
				idle = 0
			} else if err == nil && idle == maxIdle {
				err = io.ErrNoProgress
			}
			buf = buf[:len(buf)+n]
			rest, ok := f.all(buf, err != nil, func(text string) bool { return yield(Token{redact.New(text)}, nil) })
			if !ok {
				return
			}
			if err != nil {
				if err != io.EOF {
					yield(Token{}, err)
				}
				return
			}
			buf = buf[:copy(buf, rest)]
		}
	}
}

const (
	maxSpan = 4 << 10 // bytes of a text that one token may be spread over
	nesting = 2       // encodings within each other
	maxIdle = 100     // reads in a row that read nothing
)

// finder finds the tokens of one brand.
type finder struct {
	brand   string
	scratch [nesting][]byte
	work    int // bytes that were looked at, each time
}

// result says whether a token begins at a place.
type result int

const (
	nothing result = iota
	cut            // the text ends before that can be known
	found
)

// all calls yield for the tokens in b, and returns what may be the beginning of one that goes on behind b,
// unless b is the last. It returns false where yield does.
func (f *finder) all(b []byte, last bool, yield func(string) bool) (rest []byte, ok bool) {
	for len(b) > 0 {
		window := b[:min(len(b), maxSpan)]
		text, size, r := f.at(window, 0)
		switch {
		case r == found:
			if !yield(text) {
				return nil, false
			}
			b = b[size:]
		case r == cut && !last && len(window) < maxSpan:
			return b, true
		default:
			b = b[1:]
		}
	}
	return nil, true
}

// at returns the token that begins with the first byte of b, and a size before which no other one begins. In an encoding
// that packs several bytes into a group of symbols, it is one that begins in the first group.
func (f *finder) at(b []byte, depth int) (text string, size int, r result) {
	in := reader{b: b}
	first := in.char(layers)
	f.work += in.work
	in.work = 0
	if text, size, r = f.plain(in, first); r == found || depth == nesting {
		return text, size, r
	}
	for _, e := range encodings {
		text, size, encoded := f.encoded(in, first, e, depth)
		if encoded == found {
			return text, size, found
		}
		r = max(r, encoded)
	}
	return "", 0, r
}

// plain is at for what is in no encoding.
func (f *finder) plain(in reader, c rune) (string, int, result) {
	var text [maxText]byte
	size := len(f.brand) + 1 + kindSize + 1 + bodySize
	for i := 0; ; c = in.symbol() {
		if !f.fits(i, c) {
			f.work += in.work
			return "", 0, in.without()
		}
		text[i] = byte(c)
		if i++; i == size {
			break
		}
	}
	f.work += in.work
	if _, err := Parse(f.brand, string(text[:size])); err != nil {
		return "", 0, nothing
	}
	return string(text[:size]), in.i, found
}

// fits reports whether a token can have a character at a place.
func (f *finder) fits(i int, c rune) bool {
	switch kind := len(f.brand) + 1; {
	case i < len(f.brand):
		return c == rune(f.brand[i])
	case i == len(f.brand), i == kind+kindSize:
		return c == '_'
	}
	return 0 <= c && c < utf8.RuneSelf && noSymbol[c] == 0
}

// encoded is at for what is in an encoding.
func (f *finder) encoded(in reader, first rune, e *encoding, depth int) (string, int, result) {
	// What is decoded grows with what could be a token in it: at most places one byte tells that there is none.
	for limit := e.group; ; limit *= 4 {
		plain, end := f.decode(in, first, e, limit, depth)
		best := nothing
		for i := range min(e.group, len(plain)) {
			text, size, r := f.at(plain[i:], depth+1)
			if r == found {
				// That is less than it takes in b. What is left of it begins no token.
				return text, i + size, found
			}
			best = max(best, r)
		}
		switch {
		case end == cut && (best == cut || len(plain) < e.group):
			return "", 0, cut
		case end != found || best == nothing || limit > maxSpan:
			return "", 0, nothing
		}
	}
}

// decode returns what is in an encoding from a first symbol on, at most limit bytes of it. It is found if limit was
// reached, and cut if the text has ended before.
func (f *finder) decode(in reader, c rune, e *encoding, limit, depth int) (plain []byte, r result) {
	plain = f.scratch[depth][:0]
	bits, n := 0, 0
	for ; ; c = in.symbol() {
		value := e.value(c)
		if value < 0 {
			r = in.without()
			break
		}
		bits, n = bits<<e.bits|value, n+e.bits
		if n >= 8 {
			n -= 8
			plain = append(plain, byte(bits>>n))
			bits &= 1<<n - 1
			if len(plain) == limit {
				r = found
				break
			}
		}
	}
	f.scratch[depth] = plain
	f.work += in.work
	return plain, r
}
