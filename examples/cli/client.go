package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// client is the command.
type client struct {
	url   string
	token string
	file  string // where token is from; "": the environment
	http  *http.Client
	errs  io.Writer
}

func projects(ctx context.Context, what string, args []string, env func(string) string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("projects "+what, flag.ContinueOnError)
	flags.SetOutput(errs)
	service := flags.String("url", "http://127.0.0.1:8080", "the service")
	file := flags.String("token", "", "the file with the token. Defaults to the environment's ACME_TOKEN")
	names := map[string]int{"list": 0, "add": 1}[what]
	if err := parse(flags, args, names); err != nil {
		return err
	}
	c := &client{url: *service, file: *file, errs: errs, http: &http.Client{
		Timeout: 30 * time.Second,
		// The token is for the service that was named, not for one that it names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if err := checkURL(c.url); err != nil {
		return err
	}
	if err := c.readToken(env("ACME_TOKEN")); err != nil {
		return err
	}
	method, form := http.MethodGet, url.Values{}
	if what == "add" {
		method = http.MethodPost
		form.Set("name", flags.Arg(0))
	}
	resp, body, err := c.call(ctx, method, "/projects", form)
	if err != nil {
		return err
	}
	if err := c.follow(ctx, resp.Header); err != nil {
		fmt.Fprintln(errs, "acme: warning:", err)
	}
	if err := explain(resp, body); err != nil {
		return err
	}
	_, err = out.Write(body)
	return err
}

// checkURL refuses to send a token over a network in clear (RFC 6750 §5.2).
func checkURL(service string) error {
	u, err := url.Parse(service)
	if err != nil {
		return errors.New("-url is no URL")
	}
	addr, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && addr.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return errors.New("-url is not https, and not on this machine")
	}
	return nil
}

func (c *client) readToken(fromEnv string) (err error) {
	switch {
	case c.file != "":
		c.token, err = readToken(c.file)
	case fromEnv != "":
		if c.token, err = checkToken(fromEnv); err != nil {
			err = fmt.Errorf("ACME_TOKEN: %w", err)
		}
	default:
		err = errors.New("there is no token: name its file with -token, or set ACME_TOKEN")
	}
	return err
}

func (c *client) call(ctx context.Context, method, path string, form url.Values) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.url, "/")+path, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, body, err
}

var scopeParam = regexp.MustCompile(`\bscope="([^"]*)"`)

// explain returns what a person can do about an answer, nil if it is a good one.
func explain(resp *http.Response, body []byte) error {
	missing := scopeParam.FindStringSubmatch(resp.Header.Get("WWW-Authenticate"))
	switch {
	case resp.StatusCode == http.StatusOK:
		return nil
	case resp.StatusCode == http.StatusUnauthorized:
		return errors.New("the token is not accepted: it has expired, was revoked, or is not for this service. Make one on the settings page")
	case resp.StatusCode == http.StatusForbidden && missing != nil:
		return fmt.Errorf("the token lacks the scope %q: make one that has it on the settings page", missing[1])
	}
	return fmt.Errorf("the service answers %d: %.200q", resp.StatusCode, strings.TrimSpace(string(body)))
}

// follow does what the service says of the token. What fails here has not failed the command.
func (c *client) follow(ctx context.Context, said http.Header) error {
	if until := said.Get(rotatedHeader); until != "" {
		if c.replaced(ctx) {
			return nil
		}
		return fmt.Errorf("the token has been rotated, and this copy works until %.40q: put its successor in its place", until)
	}
	end := said.Get(expiresHeader)
	if end == "" {
		return nil
	}
	if c.file == "" {
		return fmt.Errorf("the token ends at %.40q, and ACME_TOKEN cannot be replaced from here", end)
	}
	switch err := c.rotate(ctx); {
	case errors.Is(err, errNotItself):
		return fmt.Errorf("the token ends at %.40q: rotate it on the settings page", end)
	case err != nil:
		return fmt.Errorf("the token is about to end, and was not replaced: %w", err)
	}
	return nil
}

// successorWait is how long a command waits for another, which has rotated the token, to put the successor into the file.
var successorWait = time.Second

// replaced reports whether another command has put a successor into the file since it was read, or soon does.
func (c *client) replaced(ctx context.Context) bool {
	if c.file == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, successorWait)
	defer cancel()
	for {
		if now, err := readToken(c.file); err == nil && now != c.token {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
}

var errNotItself = errors.New("the token does not rotate itself")

// rotate has the token rotated and replaces the file. Of several commands at once, the service rotates
// for one; the others leave the file to it, and the grace lets all of them go on.
func (c *client) rotate(ctx context.Context) error {
	next, err := newReplacement(c.file)
	if err != nil {
		return err
	}
	defer next.discard()
	// Whoever interrupts the command now would lose the successor.
	resp, body, err := c.call(context.WithoutCancel(ctx), http.MethodPost, "/token/rotate", nil)
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusConflict:
		return nil
	case http.StatusForbidden:
		return errNotItself
	default:
		return explain(resp, body)
	}
	var answer struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return errors.New("the service's answer cannot be read")
	}
	token, err := checkToken(answer.Token)
	if err != nil {
		return err
	}
	return next.commit(token)
}
