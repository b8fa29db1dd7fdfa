// Webapp is a small service with passwords and sessions of its own that has taken Gatehouse in: a second step at
// sign-in, the Security page, an API that is called with tokens, and actions that ask for protection first.
//
// It is there to be run and to be copied from. Comments say where a copy would go wrong. A real service has more:
//
//   - a server for its mails, which are printed here: examples/smtp sends them
//   - a way back for who has forgotten the password: a link in a mail, a new password, PasswordChanged with
//     RevokeTokens, and then an ordinary sign-in, second step included
//   - a change of the e-mail address, which asks for a fresh proof and tells the old address
//   - the deletion of an account: its row, its sessions, and Operator.DeleteAccount
//   - a confirmed address before there is an account: here one can be made with somebody else's
//   - limits by client address, for sign-in, sign-up and mail: who knows the proxies has to set them
//   - a list of passwords that have leaked, which are refused
//   - one Unicode form of passwords (NFC, say), as keyboards differ in how they write an é
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse-go/gatehouse/notify/email"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit status: 0, 1 for a fault, 2 for wrong usage.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("webapp", flag.ContinueOnError)
	flags.SetOutput(errs)
	addr := flags.String("addr", "127.0.0.1:8080", "where to listen")
	var https *bool
	flags.BoolFunc("https", "browsers come by HTTPS: set it behind a proxy that ends TLS; without it, only a browser on this machine can sign in "+
		"(default: unless -addr is this machine alone)", func(text string) error {
		set, err := strconv.ParseBool(text)
		https = &set
		return err
	})
	origin := flags.String("origin", "", "where browsers find this service, such as https://acme.example: passkeys are tied to its host, and "+
		"owners get mails that lead there (default: http://localhost with the port, if -addr is this machine alone; otherwise there are neither)")
	brand := flags.Bool("brand", false, "show the Security page in a look of its own, as a theme, instead of this service's frame")
	db := flags.String("db", "webapp.db", "the SQLite file; its keys go into a file beside it that ends in .keys")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintln(errs, "webapp: there are no arguments but flags")
		flags.Usage()
		return 2
	}
	if err := serve(ctx, place{*addr, *origin, https}, *db, *brand, out, errs); err != nil {
		fmt.Fprintln(errs, "webapp:", err)
		return 1
	}
	return 0
}

// place is where the service is.
type place struct {
	addr   string
	origin string // empty: it goes by the address
	https  *bool  // nil: it goes by the address
}

// settle fills in what goes by the address on which a service listens.
func (p *place) settle(at *net.TCPAddr) {
	if p.https == nil {
		p.https = new(!at.IP.IsLoopback())
	}
	if p.origin == "" && !*p.https && at.IP.IsLoopback() {
		p.origin = "http://localhost:" + strconv.Itoa(at.Port) // browsers tie passkeys to names, and not to addresses
	}
}

// serve runs the service until ctx ends.
func serve(ctx context.Context, at place, file string, brand bool, out, errs io.Writer) (err error) {
	keys, db, err := openFiles(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := net.Listen("tcp", at.addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	at.settle(listener.Addr().(*net.TCPAddr))
	logger := slog.New(slog.NewTextHandler(errs, nil))
	a, err := newApp(ctx, options{
		DB: db, Keys: keys, Now: time.Now, Log: logger, HTTPS: *at.https, Origin: at.origin, Brand: brand,
		Mail: func(to, text string) { fmt.Fprintf(out, "Mail to %s: %s\n", to, text) },
		Send: func(_ context.Context, m email.Message) error {
			_, err := fmt.Fprintf(out, "Mail to %s: %s\n\n%s", m.To, m.Subject, m.Text)
			return err
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var told sync.WaitGroup
	told.Go(func() { a.tell(ctx) })
	defer told.Wait() // before the database is closed
	defer stop()
	server := &http.Server{
		Handler: a, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
	}
	fmt.Fprintf(out, "Acme is at http://%s\nIts database is %s, and its keys are in %s\n", listener.Addr(), file, keysFile(file))
	if at.origin != "" {
		fmt.Fprintf(out, "Its passkeys are those of %s: open it there.\n", at.origin)
	}
	if *at.https {
		fmt.Fprintln(out, "Browsers get its cookies by HTTPS alone: put a proxy in front that ends TLS.")
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	// Requests first, then the uses of tokens that they have left, then the database.
	return errors.Join(err, server.Shutdown(bounded), a.svc.Close(bounded))
}
