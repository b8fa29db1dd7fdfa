// Quickstart pairs an authenticator app in the terminal and signs in with its codes.
//
// It prints a QR code to scan, the same as a URI and as text, and the recovery codes. Then it reads
// codes, one a line: the first right one confirms the pairing, each after that is a sign-in. Every
// line is answered by one that begins with "ok", or with "denied" and then says what to do. Everything is forgotten at
// the end, unless -db names a file to keep it in: the next run then goes on with sign-ins.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/totp"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run returns the exit status: 0, 1 for a fault, 2 for wrong usage.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(errs)
	account := flags.String("account", "ada@acme.test", "the account's name, shown by the authenticator app")
	issuer := flags.String("issuer", "Acme", "the service's name, shown by the authenticator app")
	digits := flags.Int("digits", 6, "digits of a code: 6 or 8")
	algorithm := flags.String("algorithm", "SHA1", "SHA1, SHA256 or SHA512")
	file := flags.String("db", "", "a file (of bbolt) to keep accounts in; their keys go into the same with .keys")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	hash, err := totp.ParseAlgorithm(*algorithm)
	switch {
	case err != nil:
		return usage(flags, err)
	case *digits != 6 && *digits != 8:
		return usage(flags, errors.New("there are codes of 6 and of 8 digits"))
	case flags.NArg() > 0:
		return usage(flags, errors.New("there are no arguments but flags"))
	}

	ctx := context.Background()
	var store storage.Store = memory.New()
	keys := keyring.Generate()
	if *file != "" {
		db, kept, ring, err := open(*file)
		if err != nil {
			fmt.Fprintln(errs, "quickstart:", err)
			return 1
		}
		defer db.Close()
		store, keys = kept, ring
	}
	d := &demo{account: *account, digits: *digits, lines: bufio.NewReader(in), out: out}
	d.svc, err = gatehouse.New(store, gatehouse.Config{Issuer: *issuer, Keys: keys, Observer: event.ObserverFunc(d.observe)})
	if err != nil {
		return usage(flags, err)
	}
	err = d.run(ctx, gatehouse.EnrollmentRequest{Label: *account, Algorithm: hash, Digits: *digits})
	switch {
	case err == io.EOF: // of the codes
		return 0
	case errors.Is(err, gatehouse.ErrInvalid):
		return usage(flags, err)
	}
	fmt.Fprintln(errs, "quickstart:", err)
	return 1
}

func usage(flags *flag.FlagSet, err error) int {
	fmt.Fprintln(flags.Output(), "quickstart:", err)
	flags.Usage()
	return 2
}

// demo is one account that talks in a terminal.
type demo struct {
	svc     *gatehouse.Service
	account string
	digits  int // of the app's codes
	lines   *bufio.Reader
	out     io.Writer
	denials denials
}

func (d *demo) run(ctx context.Context, enroll gatehouse.EnrollmentRequest) error {
	state, err := d.svc.Account(ctx, d.account)
	if err != nil {
		return err
	}
	if !state.Protected {
		if err := d.pair(ctx, enroll); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(d.out, "%s has an authenticator: type its codes to sign in:\n", d.account)
		d.digits = state.Authenticators[0].Digits
	}
	for {
		code, err := readLine(d.lines)
		if err == nil {
			err = d.signIn(ctx, code)
		}
		if err != nil {
			return err
		}
	}
}

// pair returns once a code has confirmed the pairing.
func (d *demo) pair(ctx context.Context, enroll gatehouse.EnrollmentRequest) error {
	try, err := d.svc.Before(ctx, d.account)
	if err != nil {
		return err
	}
	// A real service checks the password here, and vouches for nothing else. It keeps the session.
	session := gatehouse.Session{Account: d.account}
	session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd"})
	if err != nil {
		return err
	}
	owner := d.svc.Owner(session)
	enr, err := owner.BeginEnrollment(ctx, enroll)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Scan this with an authenticator app:\n\n%s\n", enr.QR.Terminal())
	fmt.Fprintf(d.out, "%s\n\nor type the secret: %s\n\n", enr.URI(), enr.Secret.Reveal())
	fmt.Fprintln(d.out, "Save these recovery codes; each works once, in the place of a code:")
	for _, code := range enr.RecoveryCodes {
		fmt.Fprintln(d.out, code.Reveal())
	}
	fmt.Fprintln(d.out, "\nType the app's code to confirm, then codes to sign in:")
	for confirmed := false; !confirmed; {
		code, err := readLine(d.lines)
		if err != nil {
			return err
		}
		_, err = owner.ConfirmEnrollment(ctx, enr.ID, code)
		confirmed = err == nil
		err = d.answer("ok confirmed, from now on a code is needed to sign in", d.unpaired(code), err)
		if err != nil {
			return err
		}
	}
	return nil
}

// signIn is what a service does around its check of the password.
func (d *demo) signIn(ctx context.Context, code string) error {
	try, err := d.svc.Before(ctx, d.account)
	if err != nil {
		return err
	}
	ch, err := try.Challenge(ctx) // once the password was right
	if err != nil {
		return err
	}
	d.denials.forget()
	v, err := d.svc.Answer(ctx, gatehouse.Session{Account: d.account}, ch.Token.Reveal(), code)
	return d.answer(fmt.Sprintf("ok %s, %d recovery codes left", v.Method, v.CodesLeft), d.refused(code), err)
}

// readLine returns a line without the spaces around it, or "" for one that is longer than any code.
func readLine(r *bufio.Reader) (string, error) {
	line, more, err := r.ReadLine()
	if !more {
		return strings.TrimSpace(string(line)), err
	}
	for more && err == nil {
		_, more, err = r.ReadLine()
	}
	if err == io.EOF { // it has ended this line, which is to be answered; the next call meets it again
		err = nil
	}
	return "", err
}
