package totp_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/testneed"
	"github.com/gatehouse-go/gatehouse/totp"
)

// pictured are keys and labels from the shortest to the longest URI there is.
func pictured(t testing.TB) map[string]struct {
	key             totp.Key
	issuer, account string
} {
	short, long := totp.Key{Secret: secret(t, seed20)}, totp.Key{Secret: secret(t, seed64+seed64), Algorithm: totp.SHA512, Digits: 8}
	return map[string]struct {
		key             totp.Key
		issuer, account string
	}{
		"shortest":        {short, "A", "b"},
		"usual":           {short, "Acme", "ada@acme.test"},
		"signs":           {short, "AT&T #1 + 100% = a/b?", "ada+tag@acme.test"},
		"Unicode":         {short, "Ünïcødé アクメ 🦊", "شركة@公司.test"},
		"longest, ASCII":  {long, strings.Repeat("x", 100), strings.Repeat("y", 100)},
		"longest, escape": {long, strings.Repeat("%", 100), strings.Repeat("🦊", 25)},
	}
}

// grid is a picture in modules, its border included: true is dark.
type grid [][]bool

// box returns the smallest rectangle that holds every dark module.
func (g grid) box() image.Rectangle {
	var box image.Rectangle
	for y, row := range g {
		for x, dark := range row {
			if dark {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// pngGrid reads a PNG of 8 pixels a module, each module of one color, black or white.
func pngGrid(t *testing.T, data []byte) grid {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	size := img.Bounds().Size()
	require.Equal(t, size.X, size.Y)
	require.Zero(t, size.X%8)
	require.Equal(t, image.Point{}, img.Bounds().Min)
	g := make(grid, size.Y/8)
	for y := range size.Y {
		for x := range size.X {
			gray := color.Gray16Model.Convert(img.At(x, y))
			dark := gray == color.Black
			if x%8 == 0 && y%8 == 0 {
				g[y/8] = append(g[y/8], dark)
			}
			if !dark && gray != color.White || dark != g[y/8][x/8] {
				t.Fatalf("pixel %d, %d is %v", x, y, gray) // not require, which is slow for a million pixels
			}
		}
	}
	return g
}

var (
	pathRun  = regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`)
	viewport = regexp.MustCompile(`^0 0 (\d+) (\d+)$`)
)

// svgGrid reads the SVG as XML and allows nothing but a light background and dark runs in a row.
func svgGrid(t *testing.T, data []byte) grid {
	t.Helper()
	var doc struct {
		XMLName xml.Name   `xml:"http://www.w3.org/2000/svg svg"`
		Attrs   []xml.Attr `xml:",any,attr"`
		Rect    struct {
			Attrs []xml.Attr `xml:",any,attr"`
		} `xml:"rect"`
		Path struct {
			Fill string `xml:"fill,attr"`
			D    string `xml:"d,attr"`
		} `xml:"path"`
		Other []struct{ XMLName xml.Name } `xml:",any"`
		Text  string                       `xml:",chardata"`
	}
	require.NoError(t, xml.Unmarshal(data, &doc))
	require.Empty(t, doc.Other)
	require.Empty(t, doc.Text)
	attrs := func(list []xml.Attr) map[string]string {
		m := map[string]string{}
		for _, a := range list {
			m[a.Name.Local] = a.Value
		}
		return m
	}
	root := attrs(doc.Attrs)
	size := viewport.FindStringSubmatch(root["viewBox"])
	require.NotNil(t, size, root["viewBox"])
	require.Equal(t, size[1], size[2])
	side, err := strconv.Atoi(size[1])
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(8*side), root["width"])
	require.Equal(t, strconv.Itoa(8*side), root["height"])
	require.Equal(t, map[string]string{"width": size[1], "height": size[1], "fill": "#fff"}, attrs(doc.Rect.Attrs))
	require.Equal(t, "#000", doc.Path.Fill)
	require.Empty(t, pathRun.ReplaceAllString(doc.Path.D, ""))

	g := make(grid, side)
	for y := range g {
		g[y] = make([]bool, side)
	}
	for _, run := range pathRun.FindAllStringSubmatch(doc.Path.D, -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		n, _ := strconv.Atoi(run[3])
		require.Equal(t, run[3], run[4])
		for i := range n {
			require.False(t, g[y][x+i], "drawn twice")
			g[y][x+i] = true
		}
	}
	return g
}

// terminalGrid plays a terminal that knows half blocks and one pair of colors.
func terminalGrid(t *testing.T, text string) grid {
	t.Helper()
	require.True(t, strings.HasSuffix(text, "\n"))
	var g grid
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(line, "\x1b[38;5;16;48;5;231m") // ink 16 is black, paper 231 is white
		require.True(t, ok)
		line, ok = strings.CutSuffix(line, "\x1b[0m\n")
		require.True(t, ok)
		var upper, lower []bool
		for _, r := range line {
			require.Contains(t, " ▀▄█", string(r))
			upper = append(upper, r == '▀' || r == '█')
			lower = append(lower, r == '▄' || r == '█')
		}
		g = append(g, upper, lower)
	}
	return g
}

// The three pictures show the same modules, and all have four light ones around (ISO/IEC 18004). The
// finder patterns in three corners are dark to their edges, so the box of the dark modules is the code.
func TestQRQuietZone(t *testing.T) {
	for name, c := range pictured(t) {
		picture, err := c.key.QR(c.issuer, c.account)
		require.NoError(t, err, name)
		fromPNG := pngGrid(t, picture.PNG())
		side := len(fromPNG)
		box := image.Rect(4, 4, side-4, side-4)
		require.Equal(t, box, fromPNG.box(), name)
		require.Equal(t, 1, (side-8)%4, "%s: a QR code has 17+4v modules", name)
		require.Equal(t, fromPNG, svgGrid(t, picture.SVG()), name)

		fromTerminal := terminalGrid(t, picture.Terminal())
		require.Equal(t, box, fromTerminal.box(), name)
		require.Len(t, fromTerminal, side+1, "%s: the lower half of the last line", name)
		require.NotContains(t, fromTerminal[side], true)
		require.Equal(t, fromPNG, fromTerminal[:side], name)
	}
	require.Nil(t, totp.QR{}.PNG())
	require.Nil(t, totp.QR{}.SVG())
	require.Empty(t, totp.QR{}.Terminal())
}

// drawTerminal draws what a terminal shows in cells of 4 by 8 pixels, on a dark screen.
func drawTerminal(t *testing.T, text string) []byte {
	t.Helper()
	const pixels, margin = 4, 20
	g := terminalGrid(t, text)
	img := image.NewGray(image.Rect(0, 0, len(g[0])*pixels+2*margin, len(g)*pixels+2*margin))
	for y, row := range g {
		for x, dark := range row {
			for i := range pixels * pixels {
				if !dark {
					img.SetGray(margin+x*pixels+i%pixels, margin+y*pixels+i/pixels, color.Gray{Y: 255})
				}
			}
		}
	}
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, img))
	return out.Bytes()
}

func TestQRScans(t *testing.T) {
	zbarimg := testneed.Program(t, "zbarimg", "zbar-tools")
	rsvg := testneed.Program(t, "rsvg-convert", "librsvg2-bin")
	run := func(program string, args ...string) string {
		t.Helper()
		out, err := exec.Command(program, args...).Output()
		require.NoError(t, err, "%s %q", filepath.Base(program), args)
		return string(out)
	}
	for name, c := range pictured(t) {
		uri, err := c.key.URI(c.issuer, c.account)
		require.NoError(t, err, name)
		picture, err := c.key.QR(c.issuer, c.account)
		require.NoError(t, err, name)

		dir := t.TempDir()
		in := func(file string) string { return filepath.Join(dir, file) }
		asPNG, asSVG, asTerminal := in("qr.png"), in("qr.svg"), in("terminal.png")
		require.NoError(t, os.WriteFile(asPNG, picture.PNG(), 0o600))
		require.NoError(t, os.WriteFile(asSVG, picture.SVG(), 0o600))
		require.NoError(t, os.WriteFile(asTerminal, drawTerminal(t, picture.Terminal()), 0o600))
		files := []string{asPNG, asTerminal}
		for _, zoom := range []string{"0.5", "1.7"} { // of 8 pixels a module, on a dark page
			out := in("svg" + zoom + ".png")
			run(rsvg, "--zoom", zoom, "--background-color", "#000000", "--output", out, asSVG)
			files = append(files, out)
		}
		for _, file := range files {
			got := run(zbarimg, "--quiet", "--raw", "--nodbus", "-Sdisable", "-Sqrcode.enable", file)
			require.Equal(t, uri+"\n", got, fmt.Sprintf("%s: %s", name, filepath.Base(file)))
		}
	}
}
