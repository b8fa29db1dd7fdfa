package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// peer is how a browser signs in to a server.
type peer struct {
	first, second       string                                         // paths of the two requests
	credentials, answer func(account, code string) (body, kind string) // what they send
	me                  string
	accepted            int                                      // the status of an accepted code
	is                  func(answer []byte, account string) bool // whether the answer of me names the account
	firstAccepted       int
}

const formKind = "application/x-www-form-urlencoded"

func formOf(fields ...string) (body, kind string) {
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return v.Encode(), formKind
}

func jsonOf(v map[string]string) (body, kind string) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of strings it cannot fail
	}
	return string(text), "application/json"
}

func isText(answer []byte, account string) bool { return string(answer) == account }

var peers = map[string]peer{
	"gatehouse": {
		first: "/sign-in", second: "/code", me: "/me", is: isText,
		credentials:   func(account, _ string) (string, string) { return formOf("user", account, "password", password) },
		answer:        func(_, code string) (string, string) { return formOf("code", code) },
		firstAccepted: http.StatusSeeOther, accepted: http.StatusSeeOther,
	},
	"bare": {
		first: "/sign-in", second: "/code", me: "/me", is: isText,
		credentials:   func(account, _ string) (string, string) { return formOf("user", account, "password", password) },
		answer:        func(_, code string) (string, string) { return formOf("code", code) },
		firstAccepted: http.StatusSeeOther, accepted: http.StatusSeeOther,
	},
	"authboss": {
		first: "/auth/login", second: "/auth/2fa/totp/validate", me: "/me", is: isText,
		credentials:   func(account, _ string) (string, string) { return formOf("username", account, "password", password) },
		answer:        func(_, code string) (string, string) { return formOf("code", code) },
		firstAccepted: http.StatusFound, accepted: http.StatusFound,
	},
	"better-auth": {
		first: "/api/auth/sign-in/email", second: "/api/auth/two-factor/verify-totp", me: "/api/auth/get-session",
		is: func(answer []byte, account string) bool {
			return bytes.Contains(answer, []byte(`"`+email(account)+`"`))
		},
		credentials: func(account, _ string) (string, string) {
			return jsonOf(map[string]string{"email": email(account), "password": password})
		},
		answer:        func(_, code string) (string, string) { return jsonOf(map[string]string{"code": code}) },
		firstAccepted: http.StatusOK, accepted: http.StatusOK,
	},
}

// client sends requests as browsers on many machines do, on connections that are kept.
type client struct {
	peer
	base string
	http *http.Client
}

func newClient(name, base string) (*client, error) {
	p, ok := peers[name]
	if !ok {
		return nil, fmt.Errorf("no peer %q", name)
	}
	return &client{peer: p, base: base, http: &http.Client{
		Transport:     &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 10_000},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}}, nil
}

// browser has the cookies of one browser, and the address that it comes from, which limits by address go by.
type browser struct {
	*client
	address string
	cookies map[string]string
}

func (c *client) browser() *browser {
	n := rand.Uint32()
	return &browser{client: c, cookies: map[string]string{}, address: fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff)}
}

// do sends a request and returns the status and the body of the answer.
func (b *browser) do(method, path, body, kind string, headers ...string) (int, []byte, error) {
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", b.base)
	r.Header.Set("X-Forwarded-For", b.address)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := b.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 || c.Value == "" {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return res.StatusCode, answer, err
}

// password sends the first factor.
func (b *browser) password(account string) error {
	body, kind := b.credentials(account, "")
	status, answer, err := b.do(http.MethodPost, b.first, body, kind)
	if err == nil && status != b.firstAccepted {
		err = fmt.Errorf("the password of %s: %d %.200s", account, status, answer)
	}
	return err
}

// code sends the second factor. refused is the answer to a code that was not accepted, "" for one that was.
func (b *browser) code(account, code string) (refused string, err error) {
	body, kind := b.answer(account, code)
	status, answer, err := b.do(http.MethodPost, b.second, body, kind)
	switch {
	case err != nil:
		return "", err
	case status >= 500:
		return "", fmt.Errorf("the code of %s: %d %.200s", account, status, answer)
	case status != b.accepted:
		return fmt.Sprintf("%d %.200s", status, answer), nil
	}
	return "", nil
}

// signIn is a whole sign-in, from the password on.
func (b *browser) signIn(account, code string) error {
	if err := b.password(account); err != nil {
		return err
	}
	refused, err := b.code(account, code)
	if err == nil && refused != "" {
		err = fmt.Errorf("a right code of %s was refused: %s", account, refused)
	}
	return err
}

// isSignedIn asks the server whose session this is.
func (b *browser) isSignedIn(account string) error {
	status, answer, err := b.do(http.MethodGet, b.me, "", "")
	if err == nil && (status != http.StatusOK || !b.is(answer, account)) {
		err = fmt.Errorf("the session is not one of %s: %d %.200s", account, status, answer)
	}
	return err
}
