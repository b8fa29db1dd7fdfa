package totp

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/boombuler/barcode/qr"

	"github.com/gatehouse-go/gatehouse/internal/redact"
)

const (
	quiet = 4 // modules of light border on every side, without which scanners miss the code (ISO/IEC 18004)
	scale = 8 // pixels a module
)

type hiddenModules = redact.Value[*modules]

// QR is the picture of a key's URI. It holds the secret, so it prints as "[redacted]" and refuses to
// be marshalled; PNG, SVG and Terminal show it. A page that carries one is not to be cached, and it
// is drawn here, never fetched from anywhere: the address would hold the secret. The zero QR is an
// empty picture.
type QR struct{ hiddenModules }

// modules is the square of dark and light modules without its border.
type modules struct {
	side int
	dark []bool // by rows
}

// at reports whether a module is dark. Outside of the square everything is light, which is the border.
func (m *modules) at(x, y int) bool {
	return x >= 0 && y >= 0 && x < m.side && y < m.side && m.dark[y*m.side+x]
}

// QR returns the picture of URI(issuer, account), with the same errors. A URI has one picture.
func (k Key) QR(issuer, account string) (QR, error) {
	uri, err := k.URI(issuer, account)
	if err != nil {
		return QR{}, err
	}
	return QR{redact.Later(func() *modules { return draw(uri) })}, nil
}

// draw takes milliseconds, and is done where a picture is shown first.
func draw(uri string) *modules {
	// Level M bears damage to about 15 %. Unicode is the name of the byte mode, which a URI with its
	// lower-case letters needs; it adds no marks of its own.
	code, _ := qr.Encode(uri, qr.M, qr.Unicode) // fails only over 2331 bytes, twice as many as the longest URI has
	m := &modules{side: code.Bounds().Dx()}
	for y := range m.side {
		for x := range m.side {
			m.dark = append(m.dark, code.At(x, y) == color.Black)
		}
	}
	return m
}

// PNG returns a black and white picture of 8 pixels a module. The zero QR is nil.
func (q QR) PNG() []byte {
	m := redact.Open(q.hiddenModules)
	if m == nil {
		return nil
	}
	side := (m.side + 2*quiet) * scale
	img := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range side {
		for x := range side {
			if m.at(x/scale-quiet, y/scale-quiet) {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	_ = png.Encode(&out, img) // fails only on sizes this picture cannot have
	return out.Bytes()
}

// SVG returns a document of one svg element that scales to any size, 8 CSS pixels a module unless
// it is told otherwise. It uses no styles and no scripts, so it stands in a page under a strict
// Content-Security-Policy. The zero QR is nil.
func (q QR) SVG() []byte {
	m := redact.Open(q.hiddenModules)
	if m == nil {
		return nil
	}
	side := m.side + 2*quiet
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" shape-rendering="crispEdges">`,
		side*scale, side*scale, side, side)
	// The background is drawn, or the code would be black on black in a dark page.
	fmt.Fprintf(&out, `<rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="`, side, side)
	for y := range m.side {
		for x := 0; x < m.side; x++ {
			from := x
			for m.at(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&out, "M%d %dh%[3]dv1h-%[3]dz", from+quiet, y+quiet, x-from)
			}
		}
	}
	out.WriteString(`"/></svg>`)
	return out.Bytes()
}

// Terminal returns the picture as lines of half blocks, two rows of modules a line, each ended by a
// line feed. The zero QR is "".
//
// Each line sets black on white by escape sequence and resets it. Blocks without colors come out
// inverted in either dark or light terminals, and many scanners do not read an inverted code. The
// colors are 16 and 231 of the 256, as themes change the first sixteen.
func (q QR) Terminal() string {
	m := redact.Open(q.hiddenModules)
	if m == nil {
		return ""
	}
	var out strings.Builder
	// The rows with their border are an odd number; the last line's lower half is border as well.
	for y := -quiet; y < m.side+quiet; y += 2 {
		out.WriteString("\x1b[38;5;16;48;5;231m")
		for x := -quiet; x < m.side+quiet; x++ {
			switch upper, lower := m.at(x, y), m.at(x, y+1); {
			case upper && lower:
				out.WriteRune('█')
			case upper:
				out.WriteRune('▀')
			case lower:
				out.WriteRune('▄')
			default:
				out.WriteByte(' ')
			}
		}
		out.WriteString("\x1b[0m\n")
	}
	return out.String()
}
