package securitypage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"sync"
	"time"
)

//go:embed templates/*.html page.css page.js passkey.js icons.svg
var embedded embed.FS

// assets are served to everybody; passkeyScript only where there are passkeys.
var assets = []string{"page.css", "page.js", "icons.svg"}

const passkeyScript = "passkey.js"

// sheets are the style sheets in their order: ours, that of Config.Theme, and the host's own. Each is there where it is.
var sheets = []string{"page.css", "theme.css", "host.css"}

// pages are the templates that fill the layout.
var pages = []string{
	"overview", "review", "pair", "pairing", "pairingcodes", "pairingcode", "passkey", "pairingpasskey", "paired", "authenticators", "remove", "codes", "newcodes", "disable", "tokens", "mint", "minted",
	"token", "revoke", "revokeall", "serviceaccounts", "activity", "plan", "browsers", "sessions", "recovered", "stepup", "secondstep", "clock", "gate", "ready", "message",
}

// files are templates, style sheet and script, with what the host has put in their place.
type files struct {
	pages    map[string]*template.Template
	assets   map[string][]byte
	versions map[string]string
}

func readFiles(host fs.FS, theme string, names ...string) (files, error) {
	f := files{assets: map[string][]byte{}, versions: map[string]string{}}
	for _, name := range names {
		from := host
		if name == "page.css" { // the host's comes after it
			from = nil
		}
		data, err := read(from, name)
		if err != nil {
			return files{}, err
		}
		f.add(name, data)
	}
	if theme != "" {
		f.add("theme.css", []byte(theme))
	}
	if host != nil {
		switch data, err := fs.ReadFile(host, "page.css"); {
		case err == nil:
			f.add("host.css", data)
		case !errors.Is(err, fs.ErrNotExist):
			return files{}, err
		}
	}
	parsed := own
	if host != nil {
		parsed = func() (map[string]*template.Template, error) { return parsePages(host) }
	}
	var err error
	f.pages, err = parsed()
	return f, err
}

// own are the pages of everybody who replaces no template. They are parsed once, and only executed from then on.
var own = sync.OnceValues(func() (map[string]*template.Template, error) { return parsePages(nil) })

func parsePages(host fs.FS) (map[string]*template.Template, error) {
	common := template.New("common")
	for _, name := range []string{"layout.html", "frame.html", "parts.html"} {
		if err := parse(common, host, name); err != nil {
			return nil, err
		}
	}
	parsed := map[string]*template.Template{}
	for _, name := range pages {
		page, err := common.Clone()
		if err != nil {
			return nil, err
		}
		if err := parse(page, host, name+".html"); err != nil {
			return nil, err
		}
		if err := escapes(page); err != nil {
			return nil, err
		}
		parsed[name] = page
	}
	return parsed, nil
}

func (f *files) add(name string, data []byte) {
	sum := sha256.Sum256(data)
	f.assets[name], f.versions[name] = data, hex.EncodeToString(sum[:4])
}

var (
	cssComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	cssSpace   = regexp.MustCompile(`\s*([{};,>])\s*|(:)\s+`)
	jsSpace    = regexp.MustCompile(`(?m)^\s*//.*\n|^\s+`)
)

// squeeze takes the comments and the white space that are there for people out of a style sheet or script of ours. None has
// a string with one of these signs in it, or one of several lines.
func squeeze(name string, data []byte) []byte {
	switch path.Ext(name) {
	case ".css":
		data = cssSpace.ReplaceAll(cssComment.ReplaceAll(data, nil), []byte("$1$2"))
		return bytes.ReplaceAll(data, []byte(";}"), []byte("}"))
	case ".js":
		return jsSpace.ReplaceAll(data, nil)
	}
	return data
}

// squeezed are the embedded assets as they are served.
var squeezed = sync.OnceValue(func() map[string][]byte {
	all := map[string][]byte{}
	for _, name := range append(slices.Clone(assets), passkeyScript) {
		data, _ := embedded.ReadFile(name) // never fails: it is embedded
		all[name] = squeeze(name, data)
	}
	return all
})

// read returns the host's file of a name, and where it has none the embedded one.
func read(host fs.FS, name string) ([]byte, error) {
	if host != nil {
		data, err := fs.ReadFile(host, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	if path.Ext(name) == ".html" {
		name = "templates/" + name
	}
	if data, ok := squeezed()[name]; ok {
		return data, nil
	}
	return embedded.ReadFile(name)
}

func parse(into *template.Template, host fs.FS, name string) error {
	text, err := read(host, name)
	if err != nil {
		return err
	}
	_, err = into.New(name).Parse(string(text))
	return err
}

// escapes returns an error if a page cannot be escaped. A template is escaped when it is first executed, and that may
// fail: it must fail now, and not in an answer. Any other error of the execution is one of the missing data.
func escapes(page *template.Template) error {
	var wrong *template.Error
	if err := page.ExecuteTemplate(io.Discard, "layout", nil); errors.As(err, &wrong) {
		return err
	}
	return nil
}

// serve answers with a style sheet or script. Its address changes with its contents, so it may be kept.
func (f *files) serve(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("v") == f.versions[name] {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.assets[name]))
	}
}
