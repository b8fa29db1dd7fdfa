// Quickstart pairs an authenticator app in the terminal and signs in with its codes.
//
// It prints a QR code to scan, the same as a URI and as text, and the recovery codes. Then it reads
// codes, one a line: the first right one confirms the pairing, each after that is a sign-in. Every
// line is answered by one that begins with "ok" or "denied". Everything is forgotten at the end, unless
// -db names a file to keep it in: the next run then goes on with sign-ins.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
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
	file := flags.String("db", "", "a SQLite file to keep accounts in; their keys go into the same with .keys")
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
		var db *sql.DB
		db, store, keys, err = open(ctx, *file)
		if err != nil {
			fmt.Fprintln(errs, "quickstart:", err)
			return 1
		}
		defer db.Close()
	}
	svc, err := gatehouse.New(store, gatehouse.Config{Issuer: *issuer, Keys: keys})
	if err != nil {
		return usage(flags, err)
	}
	err = demo(ctx, svc, *account, gatehouse.EnrollmentRequest{Label: *account, Algorithm: hash, Digits: *digits}, in, out)
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

func demo(ctx context.Context, svc *gatehouse.Service, account string, enroll gatehouse.EnrollmentRequest, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	state, err := svc.Account(ctx, account)
	if err != nil {
		return err
	}
	if !state.Protected {
		if err := pair(ctx, svc, account, enroll, lines, out); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(out, "%s has an authenticator: type its codes to sign in:\n", account)
	}
	for {
		code, err := readLine(lines)
		if err == nil {
			err = signIn(ctx, svc, account, code, out)
		}
		if err != nil {
			return err
		}
	}
}

// pair returns once a code has confirmed the pairing.
func pair(ctx context.Context, svc *gatehouse.Service, account string, enroll gatehouse.EnrollmentRequest, lines *bufio.Reader, out io.Writer) error {
	try, err := svc.Before(ctx, account)
	if err != nil {
		return err
	}
	// A real service checks the password here, and vouches for nothing else. It keeps the session.
	session := gatehouse.Session{Account: account}
	session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd"})
	if err != nil {
		return err
	}
	owner := svc.Owner(session)
	enr, err := owner.BeginEnrollment(ctx, enroll)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Scan this with an authenticator app:\n\n%s\n", enr.QR.Terminal())
	fmt.Fprintf(out, "%s\n\nor type the secret: %s\n\n", enr.URI(), enr.Secret.Reveal())
	fmt.Fprintln(out, "Save these recovery codes; each works once, in the place of a code:")
	for _, code := range enr.RecoveryCodes {
		fmt.Fprintln(out, code.Reveal())
	}
	fmt.Fprintln(out, "\nType the app's code to confirm, then codes to sign in:")
	for confirmed := false; !confirmed; {
		code, err := readLine(lines)
		if err != nil {
			return err
		}
		_, err = owner.ConfirmEnrollment(ctx, enr.ID, code)
		confirmed = err == nil
		if err := answer(out, "ok confirmed, from now on a code is needed to sign in", err); err != nil {
			return err
		}
	}
	return nil
}

// signIn is what a service does around its check of the password.
func signIn(ctx context.Context, svc *gatehouse.Service, account, code string, out io.Writer) error {
	try, err := svc.Before(ctx, account)
	if err != nil {
		return err
	}
	ch, err := try.Challenge(ctx) // once the password was right
	if err != nil {
		return err
	}
	v, err := svc.Answer(ctx, gatehouse.Session{Account: account}, ch.Token.Reveal(), code)
	return answer(out, fmt.Sprintf("ok %s, %d recovery codes left", v.Method, v.CodesLeft), err)
}

// answer writes the line for a code. It returns only what is neither "ok" nor "denied".
func answer(out io.Writer, ok string, err error) error {
	var denied *gatehouse.DeniedError
	switch {
	case err == nil:
		fmt.Fprintln(out, ok)
	case errors.As(err, &denied) && denied.Disabled:
		fmt.Fprintln(out, "denied, too many wrong codes: use a recovery code")
	case errors.As(err, &denied) && !denied.RetryAt.IsZero():
		fmt.Fprintln(out, "denied, retry at", denied.RetryAt.Format(time.RFC3339))
	case errors.Is(err, gatehouse.ErrDenied):
		fmt.Fprintln(out, "denied")
	case errors.Is(err, gatehouse.ErrPrecondition), errors.Is(err, gatehouse.ErrNotFound), errors.Is(err, gatehouse.ErrStepUpRequired):
		fmt.Fprintln(out, "denied, the pairing took too long or too many codes: start again")
	default:
		return err
	}
	return nil
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
