package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

// gallery is a folder for pictures of every page that the tests look at, with an index.html to look through them. Those
// of every state of the Security page are in examples/internal/gallery.
//
//	go test ./webapp -run 'TestOwner|TestBrand' -gallery /tmp/gallery
var gallery = flag.String("gallery", "", "a folder for pictures of the pages")

// pictures adds the page to the gallery, where there is one.
func (b *tab) pictures(name string) {
	b.t.Helper()
	if *gallery != "" {
		b.Pictures(*gallery, name)
	}
}

// forReadme saves a picture of the page for the README, where GATEHOUSE_UPDATE_SCREENSHOT is set.
func (b *tab) forReadme(name string, height int64) {
	b.t.Helper()
	if os.Getenv("GATEHOUSE_UPDATE_SCREENSHOT") == "" {
		return
	}
	b.Theme("light")
	b.Do(chromedp.EmulateViewport(1280, height))
	b.Save(filepath.Join("..", "..", "docs", name), chromedp.CaptureScreenshot())
	b.Size(1280)
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
