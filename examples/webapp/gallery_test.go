package main

import (
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// gallery is a folder for pictures of every page that the tests look at, with an index.html to look through them:
//
//	go test ./webapp -run 'TestOwner|TestBrand' -gallery /tmp/gallery
var gallery = flag.String("gallery", "", "a folder for pictures of the pages")

// pictures adds the page to the gallery, where there is one: at three widths in both themes, with the colors of the
// system, and from right to left.
func (b *tab) pictures(name string) {
	b.t.Helper()
	if *gallery == "" {
		return
	}
	require.NoError(b.t, os.MkdirAll(*gallery, 0o755))
	file := strings.ReplaceAll(name, " ", "-")
	take := func(theme string, width int64, what string) {
		b.Theme(theme)
		b.Size(width)
		b.save(filepath.Join(*gallery, fmt.Sprintf("%s-%d-%s.png", file, width, what)), chromedp.FullScreenshot(100))
	}
	for _, width := range []int64{360, 768, 1280} {
		for _, theme := range themes {
			take(theme, width, theme)
		}
		take("forced", width, "forced")
	}
	browsertest.Eval[chromedp.Void](b.Tab, `document.documentElement.dir = "rtl"; 0`)
	take("light", 360, "rtl")
	take("light", 1280, "rtl")
	browsertest.Eval[chromedp.Void](b.Tab, `document.documentElement.dir = "ltr"; 0`)
	require.NoError(b.t, indexGallery(*gallery))
}

var pictureName = regexp.MustCompile(`^(.+)-([0-9]+)-([a-z]+)\.png$`)

// indexGallery writes the index of the pictures that are there.
func indexGallery(dir string) error {
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

// TestBrand shows the page in another look: a theme, and a style sheet that says only what is different.
func TestBrand(t *testing.T) {
	sheet, err := os.ReadFile(filepath.Join("brand", "page.css"))
	require.NoError(t, err)
	require.Less(t, strings.Count(string(sheet), "\n"), 30)
	require.NotContains(t, string(sheet), "!important")

	w := newWorldWith(t, func(o *options) { o.Brand = true })
	b := w.open(t)
	b.signUp(ada)
	b.Visit(securityPath + "/")
	for property, value := range map[string]string{
		"getComputedStyle(document.body).fontFamily.split(',')[0]":                           `"Iowan Old Style"`,
		"getComputedStyle(document.body).backgroundColor":                                    "rgb(18, 16, 14)",
		"getComputedStyle(document.querySelector('.card')).borderTopLeftRadius":              "2px",
		"getComputedStyle(document.documentElement).getPropertyValue('color-scheme').trim()": "dark",
	} {
		require.Equal(t, value, browsertest.Eval[string](b.Tab, property), property)
	}
	b.look("brand overview")
	b.Visit(securityPath + "/authenticators")
	b.look("brand methods")
	b.Visit(securityPath + "/pair")
	b.look("brand pair")
}
