package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/notify/email"
)

// mailed runs what sends mails in the background until nothing waits any more, and returns the mails.
func (w *world) mailed() (sent []email.Message) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	var told sync.WaitGroup
	told.Go(func() { w.app.tell(ctx) })
	require.Eventually(w.t, func() bool {
		lag, err := w.app.notices.Lag(ctx)
		return err == nil && lag == notify.Lag{}
	}, browsertest.Patience, time.Millisecond)
	stop()
	told.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	sent, w.told = w.told, nil
	return sent
}

// records returns a digest of everything that the service has stored, row by row.
func (w *world) records() (all []string) {
	w.t.Helper()
	var tables string
	db := w.app.users.db
	require.NoError(w.t, db.QueryRow(`SELECT group_concat(name, ' ') FROM sqlite_master WHERE type = 'table'`).Scan(&tables))
	require.Contains(w.t, tables, "gatehouse_accounts")
	for _, table := range strings.Fields(tables) {
		rows, err := db.Query(`SELECT * FROM ` + table)
		require.NoError(w.t, err)
		columns, err := rows.Columns()
		require.NoError(w.t, err)
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		for rows.Next() {
			require.NoError(w.t, rows.Scan(into...))
			all = append(all, fmt.Sprintf("%s %x", table, sha256.Sum256(fmt.Appendf(nil, "%q", values))))
		}
		require.NoError(w.t, rows.Err())
	}
	return all
}

var planLink = regexp.MustCompile(`http://localhost:[0-9]+(` + securityPath + `/activity/plan\?entry=[0-9]+)`)

// linkOf returns the path of the link in a mail, which is the same in both of its texts.
func linkOf(t testing.TB, m email.Message) string {
	t.Helper()
	plain, html := planLink.FindStringSubmatch(m.Text), planLink.FindStringSubmatch(m.HTML)
	require.NotNil(t, plain, m.Text)
	require.Equal(t, plain, html)
	return plain[1]
}

const (
	nextPassword = "another long password"
	firefox      = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
)

// TestThisWasNotMe has somebody with the owner's password and a phished code add an app of theirs. The owner's mail leads to
// a plan, and each step of it takes from them what they have.
func TestThisWasNotMe(t *testing.T) {
	w := newNamedWorld(t)
	owner := w.open(t)
	owner.signUp(ada)
	owner.Visit(securityPath + "/pair")
	phone, _ := owner.pairFirst("Phone")
	other := w.client(t) // another browser of the owner's
	other.signIn(ada)
	other.answerSecondStep(w.code(phone))
	w.mailed()

	thief := w.open(t)
	thief.Agent(firefox)
	thief.signInWith(ada, phone)
	theirs, token := thief.digsIn()
	mail := w.mailOfNewApp()
	link := linkOf(t, mail)

	// Whatever follows the link by itself changes nothing, with the owner's cookies or without.
	before := w.records()
	scanner, prefetch := w.client(t), w.client(t)
	prefetch.http.Jar.SetCookies(prefetch.url(), owner.httpCookies())
	for range 2 {
		require.Contains(t, scanner.get(link).Header.Get("Location"), "/sign-in?next=")
		got := prefetch.get(link)
		require.Equal(t, 200, got.StatusCode)
		require.Contains(t, got.body, "Other phone")
	}
	require.Equal(t, before, w.records())

	// The owner has signed out meanwhile, and comes from a program for mail.
	owner.signOut()
	owner.Open(mail.HTML)
	owner.glance("mail", "wcag2a", "wcag2aa") // the other rules are for pages
	owner.Press("This wasn’t me")
	require.Equal(t, "/sign-in", owner.Path())
	owner.bothSteps(password, phone)
	require.Equal(t, link, owner.where())
	owner.Has("0 of 5 steps done", "Other phone", "Firefox on Windows")
	owner.glance("plan of a mail")

	require.True(t, other.in())
	thief.Visit("/project")
	thief.Has("Anvil")
	owner.Press("Sign out", "Sign out everywhere else")
	owner.Has("1 of 5 steps done")
	require.False(t, other.in())
	require.Equal(t, 401, thief.Press("Deploy publicly"))
	thief.Visit("/project")
	require.Equal(t, "/sign-in", thief.Path())

	owner.Press("Change the password")
	owner.Fill("Present password", password)
	owner.Fill("New password", w.secret(nextPassword))
	owner.Press("Change it")
	require.Equal(t, "/sign-in", owner.Path())
	owner.bothSteps(nextPassword, phone)
	require.Equal(t, link, owner.where())
	owner.Has("2 of 5 steps done")
	require.Equal(t, 422, thief.firstStep(password))

	owner.Press("Look at them")
	owner.Press("Remove Other phone")
	owner.Press("Remove authenticator")
	owner.Visit(link)
	owner.Has("3 of 5 steps done")
	require.Equal(t, 200, thief.firstStep(nextPassword), "which they have found out as well")
	require.Equal(t, 422, thief.Answer("Code from the app", w.code(theirs)))

	owner.Press("Go to the codes")
	owner.Press("Create new codes")
	owner.codes()
	owner.Press("I have saved these codes")
	require.Equal(t, link, owner.where())
	owner.Has("4 of 5 steps done")

	require.Equal(t, 200, w.call(token))
	owner.Tick("I understand that all of them stop working")
	owner.Press("Revoke all tokens")
	require.Equal(t, 401, w.call(token))
	require.Equal(t, link, owner.where())
	owner.Has("5 of 5 steps done", "You have done all of it.")
	owner.glance("plan done")

	// Late, and again: it is still the same, and does nothing.
	w.wait(40 * 24 * time.Hour)
	owner.Open(mail.HTML)
	owner.Press("This wasn’t me")
	owner.bothSteps(nextPassword, phone)
	require.Equal(t, link, owner.where())
	before = w.records()
	owner.Open(mail.HTML)
	owner.Press("This wasn’t me")
	require.Equal(t, link, owner.where())
	owner.Has("5 of 5 steps done")
	require.Equal(t, before, w.records())

	// Somebody else's account has nothing of this.
	eve := w.open(t)
	eve.signUp("eve@acme.test")
	require.Equal(t, 200, eve.Visit(link))
	for _, theirs := range []string{ada, "Other phone", "Firefox"} {
		require.NotContains(t, eve.Text(), theirs)
	}
}

// digsIn is what somebody does first who has got into an account: they add an app, and take recovery codes and a token.
func (b *tab) digsIn() (theirs *authenticator, token string) {
	b.t.Helper()
	b.Visit(securityPath + "/pair")
	theirs = b.beginPairing("Other phone")
	require.Empty(b.t, b.Scanned())
	b.Tick("Sign me out in all other browsers") // it was ticked, and the owner would notice
	b.Fill("Code from the app", b.w.code(theirs))
	require.Equal(b.t, 200, b.Press("Add this app"))
	b.Visit(securityPath + "/recovery-codes")
	b.Tick("Sign me out in all other browsers")
	b.Press("Create new codes")
	b.codes()
	b.Visit(securityPath + "/tokens/new")
	return theirs, b.newToken("Backup", "projects:read")
}

// mailOfNewApp returns the first of the mails that this has led to.
func (w *world) mailOfNewApp() email.Message {
	w.t.Helper()
	const subject = "Acme: You added an authenticator app"
	mails := w.mailed()
	first := slices.Index(subjects(mails), subject)
	require.Equal(w.t, []string{subject, "Acme: You created new recovery codes", "Acme: You created a token"}, subjects(mails[max(first, 0):]))
	mail := mails[first]
	require.Equal(w.t, ada, mail.To)
	require.Contains(w.t, mail.Text, "Other phone")
	require.Contains(w.t, mail.Text, "127.0.0.1 · Firefox on Windows")
	return mail
}

func subjects(mails []email.Message) (all []string) {
	for _, m := range mails {
		all = append(all, m.Subject)
	}
	return all
}

// glance has axe-core look at what is shown as it is, and takes pictures where they are asked for.
func (b *tab) glance(name string, rules ...string) {
	b.t.Helper()
	require.Empty(b.t, b.Violations(browsertest.Axe(b.t), rules...), name)
	b.pictures(name)
}

// firstStep fills in the form that is shown, and returns the status of the page that comes then.
func (b *tab) firstStep(password string) int {
	b.t.Helper()
	b.Fill("E-mail address", ada)
	b.Fill("Password", password)
	return b.Press("Sign in", "Sign in")
}

// bothSteps goes from there to where the sign-in leads.
func (b *tab) bothSteps(password string, phone *authenticator) {
	b.t.Helper()
	require.Equal(b.t, 200, b.firstStep(password))
	require.Equal(b.t, 200, b.Answer("Code from the app", b.w.code(phone)))
}

// where returns the path of the page with its query.
func (b *tab) where() string {
	b.t.Helper()
	return browsertest.Eval[string](b.Tab, `location.pathname + location.search`)
}

// httpCookies returns the cookies of a browser for one without a window.
func (b *tab) httpCookies() (all []*http.Cookie) {
	b.t.Helper()
	for _, c := range b.Cookies() {
		all = append(all, &http.Cookie{Name: c.Name, Value: c.Value, Path: "/"})
	}
	return all
}

// TestMailsArePrinted starts the program where an owner has yet to be told.
func TestMailsArePrinted(t *testing.T) {
	w := newWorldWith(t, func(o *options) { o.Now, o.Origin = time.Now, "http://localhost:1" })
	w.client(t).signUp(ada)
	require.NoError(t, w.app.svc.Operator("ops").Because("ticket 4711").Suspend(t.Context(), w.account(ada)))
	ctx, stop := context.WithCancel(t.Context())
	said, says := io.Pipe()
	status := make(chan int)
	go func() { status <- run(ctx, []string{"-db", w.file, "-addr", "127.0.0.1:0"}, says, io.Discard) }()
	lines := bufio.NewScanner(said)
	printed := func(begins string) string {
		for lines.Scan() {
			if rest, found := strings.CutPrefix(lines.Text(), begins); found {
				return rest
			}
		}
		return ""
	}
	address := printed("Acme is at http://127.0.0.1")
	require.Equal(t, "Acme: Your account was suspended", printed("Mail to "+ada+": "))
	require.Equal(t, "ticket 4711", printed("Reason: "))
	require.Regexp(t, "^"+securityPath+`/activity/plan\?entry=[0-9]+$`, printed("http://localhost"+address))
	go func() { _, _ = io.Copy(io.Discard, said) }()
	stop()
	require.Zero(t, <-status)
}
