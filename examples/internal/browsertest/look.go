package browsertest

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Axe returns the source of axe-core, which finds what keeps people from using a page; "" where scripts/ci-setup has not
// fetched it.
func Axe(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		source, err := os.ReadFile(filepath.Join(dir, ".ci", "node_modules", "axe-core", "axe.min.js"))
		if err == nil {
			return string(source)
		}
		require.ErrorIs(t, err, os.ErrNotExist)
		if filepath.Dir(dir) == dir {
			return ""
		}
		dir = filepath.Dir(dir)
	}
}

// Rules that need other pages, or people, to decide are none of axe's violations.
const findViolations = `axe.run(document, {resultTypes: ['violations']%s}).then(r => r.violations.map(v =>
	v.id + ': ' + v.help + v.nodes.map(n => '\n\t' + n.html + '\n\t' + n.failureSummary).join('')))`

// ColorRules are those of axe-core's rules that look at colors: the only ones that can find anything else in another theme.
var ColorRules = []string{"color-contrast", "link-in-text-block"}

// Violations has axe-core, whose source it is given, look at the page by some of its rules, or by all.
func (b *Tab) Violations(axe string, rules ...string) []string {
	b.t.Helper()
	if axe == "" {
		return nil
	}
	if !Eval[bool](b, `!!window.axe`) {
		Eval[chromedp.Void](b, axe+"; 0")
	}
	only := ""
	if len(rules) > 0 {
		only = fmt.Sprintf(", runOnly: ['%s']", strings.Join(rules, "', '"))
	}
	return Eval[[]string](b, fmt.Sprintf(findViolations, only))
}

// Width returns how many pixels wide the page is: more than the window has where it must be scrolled for each line.
func (b *Tab) Width() int64 {
	b.t.Helper()
	return Eval[int64](b, `document.documentElement.scrollWidth`)
}

// Direction turns the page: "ltr" or "rtl".
func (b *Tab) Direction(dir string) {
	b.t.Helper()
	Eval[chromedp.Void](b, `for (const e of document.querySelectorAll("html, main[dir]")) e.dir = `+quote(dir)+"; 0")
}

// Pictures adds the page to a folder of pictures, with an index.html to look through them: at three widths in both themes,
// with the colors of the system, and from right to left.
func (b *Tab) Pictures(dir, name string) {
	b.t.Helper()
	require.NoError(b.t, os.MkdirAll(dir, 0o755))
	file := strings.ReplaceAll(name, " ", "-")
	take := func(theme string, width int64, what string) {
		b.Theme(theme)
		b.Size(width)
		b.Window(width, max(800, Eval[int64](b, `scrollTo(0, 0), document.documentElement.scrollHeight`)))
		Eval[chromedp.Void](b, drawn)
		b.Save(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", file, width, what)), chromedp.CaptureScreenshot())
	}
	for _, theme := range []string{"light", "dark", "forced"} {
		for _, width := range []int64{360, 768, 1280} {
			take(theme, width, theme)
		}
	}
	was := Eval[string](b, `document.documentElement.dir`)
	b.Direction("rtl")
	take("light", 360, "rtl")
	take("light", 1280, "rtl")
	b.Direction(was)
	require.NoError(b.t, indexPictures(dir))
}

// Save writes a picture to a file.
func (b *Tab) Save(file string, picture chromedp.Action[[]byte]) {
	b.t.Helper()
	data, err := Try(b, picture)
	require.NoError(b.t, err)
	require.NoError(b.t, os.WriteFile(file, data, 0o644))
}

// drawn comes when the browser has drawn what is there.
const drawn = `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done({}))))`

var pictureName = regexp.MustCompile(`^(.+)-([0-9]+)-([a-z]+)\.png$`)

// indexPictures writes the index of the pictures that are there.
func indexPictures(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil {
		return err
	}
	var page strings.Builder
	page.WriteString("<!doctype html><meta charset=utf-8><title>Gallery</title><style>body{font:14px system-ui;margin:16px}" +
		"figure{display:inline-block;margin:8px;vertical-align:top}img{height:360px;border:1px solid #999}</style>\n")
	last := ""
	for _, file := range files {
		m := pictureName.FindStringSubmatch(filepath.Base(file))
		if m == nil {
			continue
		}
		if m[1] != last {
			fmt.Fprintf(&page, "<h2>%s</h2>\n", html.EscapeString(m[1]))
		}
		last = m[1]
		fmt.Fprintf(&page, "<figure><a href=\"%[1]s\"><img src=\"%[1]s\" alt=\"\" loading=lazy></a><figcaption>%[2]s px, %[3]s</figcaption></figure>\n",
			html.EscapeString(m[0]), m[2], m[3])
	}
	return os.WriteFile(filepath.Join(dir, "index.html"), []byte(page.String()), 0o644)
}
