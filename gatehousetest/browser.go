package gatehousetest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Browser is a browser of one person. Like others it keeps cookies, follows redirects, posts the forms of the page that
// it shows, and says of each request where that comes from. It is not safe for concurrent use.
type Browser struct {
	Client *http.Client // has the same cookies, for requests that no page sends

	site *Site
	t    testing.TB
	jar  *jar
	page *Page // nil: none yet
}

// Get opens a path of the site, as somebody who types the address.
func (b *Browser) Get(path string) *Page {
	b.t.Helper()
	return b.do(http.MethodGet, b.at(path), nil, "none")
}

// Post posts pairs of names and values to a path of the site, as a script of the site can. Submit posts a form.
func (b *Browser) Post(path string, fields ...string) *Page {
	b.t.Helper()
	values := url.Values{}
	for name, value := range pairs(b.t, fields) {
		values.Add(name, value)
	}
	return b.do(http.MethodPost, b.at(path), values, "same-origin")
}

// Submit fills in the first form that leads to a path, of those on the page that the browser shows, and sends it.
// Fields are pairs of a name, which the form must have, and a value, which must be one of the choices if the form has
// some; a name may come more than once. Other fields are sent as they are, hidden ones among them.
func (b *Browser) Submit(path string, fields ...string) *Page {
	b.t.Helper()
	if b.page != nil {
		to := b.at(path)
		for _, f := range b.page.forms() {
			if f.action.Path == to.Path && (to.RawQuery == "" || f.action.RawQuery == to.RawQuery) {
				return b.send(f, fields...)
			}
		}
	}
	b.t.Fatalf("gatehousetest: no form for %s on %s", path, b.page)
	return nil
}

// Without returns a browser with the same cookies but those of some names. Without names it is a copy, such as a thief
// may have.
func (b *Browser) Without(cookies ...string) *Browser {
	b.t.Helper()
	c := b.site.Browser(b.t)
	b.jar.copyTo(c.jar, cookies)
	c.page = b.page
	return c
}

// at returns the URL of a path of the site.
func (b *Browser) at(path string) *url.URL {
	b.t.Helper()
	base, err := url.Parse(b.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	u, err := base.Parse(path)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// send fills in a form of the page, and sends it.
func (b *Browser) send(f form, fields ...string) *Page {
	b.t.Helper()
	values := f.untouched()
	for name := range pairs(b.t, fields) {
		values.Del(name)
	}
	for name, value := range pairs(b.t, fields) {
		if err := f.check(name, value); err != nil {
			b.t.Fatalf("gatehousetest: %v, in the form for %s on %s", err, f.action.Path, b.page)
		}
		values.Add(name, value)
	}
	if f.post {
		return b.do(http.MethodPost, f.action, values, "same-origin")
	}
	to := *f.action
	to.RawQuery = values.Encode()
	return b.do(http.MethodGet, &to, nil, "same-origin")
}

// do sends a request, and shows the page that it leads to. A form that is nil is none.
func (b *Browser) do(method string, u *url.URL, values url.Values, from string) *Page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, u.String(), strings.NewReader(values.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Site", from)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-User", "?1")
	if from != "none" && b.page != nil {
		r.Header.Set("Referer", b.page.url.String())
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", b.site.URL)
	}
	res, err := b.Client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	at := res.Request.URL
	b.page = &Page{Status: res.StatusCode, Path: at.RequestURI(), Header: res.Header, Body: string(body), url: at}
	return b.page
}

// redirected is http.Client.CheckRedirect.
func redirected(r *http.Request, via []*http.Request) error {
	if len(via) == 20 {
		return errors.New("gatehousetest: the redirects have no end")
	}
	if r.Header.Get("Sec-Fetch-Site") == "none" {
		r.Header.Del("Referer") // which net/http adds
	} else if r.URL.Host != via[0].URL.Host {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	if r.Method == http.MethodGet {
		r.Header.Del("Origin")
	}
	return nil
}

// pairs returns names with values.
func pairs(t testing.TB, fields []string) func(yield func(name, value string) bool) {
	t.Helper()
	if len(fields)%2 != 0 {
		t.Fatalf("gatehousetest: fields are pairs of a name and a value, and %d are not", len(fields))
	}
	return func(yield func(name, value string) bool) {
		for i := 0; i < len(fields) && yield(fields[i], fields[i+1]); i += 2 {
		}
	}
}
