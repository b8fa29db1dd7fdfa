package websession

import (
	"errors"
	"net/http"
	"time"
)

// Keeper keeps sealed text of one browser, for hosts that keep the state of sessions on their server; others leave
// Config.Keeper alone. There are two texts, named "session" and "signin", of at most 4000 bytes each. An error is a fault:
// nobody is signed in by it.
type Keeper interface {
	// Load returns the text of a name, "" for none.
	Load(r *http.Request, name string) (string, error)
	// Save keeps a text until life is over or another takes its place; "" removes it. It is called before anything of
	// the answer is written, and what it keeps must be there for the next request, under the session's new ID where
	// Config.SignIn has given it one in between.
	Save(w http.ResponseWriter, r *http.Request, name, text string, life time.Duration) error
}

// Names of what a Keeper keeps.
const (
	sessionName = "session"
	signInName  = "signin"
)

const (
	sessionLife = 400 * 24 * time.Hour // the longest that browsers keep a cookie
	signInLife  = 20 * time.Minute     // a challenge in it is valid for 5, an operator's code leads to a pairing
)

var errPlain = errors.New("websession: Config.PlainHTTP is for requests to a loopback host alone")

// cookies is the Keeper that keeps everything in the browser.
type cookies struct {
	plain bool // for loopback
}

// name returns the name of a cookie. With the prefix, browsers take it from this very host alone, by HTTPS (RFC 6265bis
// §4.1.3.2): no sibling domain can plant one.
func (c cookies) name(of string) string {
	name := "gatehouse"
	if of != sessionName {
		name += "-" + of
	}
	if c.plain {
		return name
	}
	return "__Host-" + name
}

// Load implements Keeper. Of several cookies of one name none is believed.
func (c cookies) Load(r *http.Request, name string) (string, error) {
	if c.plain && !loopback(r) {
		return "", errPlain
	}
	found := r.CookiesNamed(c.name(name))
	if len(found) != 1 {
		return "", nil
	}
	return found[0].Value, nil
}

// Save implements Keeper.
func (c cookies) Save(w http.ResponseWriter, r *http.Request, name, text string, life time.Duration) error {
	if c.plain && !loopback(r) {
		return errPlain
	}
	cookie := &http.Cookie{
		Name: c.name(name), Value: text, Path: "/", MaxAge: int(life / time.Second),
		Secure: !c.plain, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if text == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
	return nil
}
