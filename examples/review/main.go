// Review makes accounts in a SQLite file, each as well protected as chance has it, and shows what an
// owner and an operator see of them: one account's review, a gate that refuses and then opens, and the
// whole fleet.
package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("review", flag.ContinueOnError)
	flags.SetOutput(errs)
	accounts := flags.Int("accounts", 200, "how many accounts to make, at least 1")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if *accounts < 1 || flags.NArg() > 0 {
		fmt.Fprintln(errs, "review: there is at least one account, and no argument")
		flags.Usage()
		return 2
	}
	if err := demo(context.Background(), *accounts, out); err != nil {
		fmt.Fprintln(errs, "review:", err)
		return 1
	}
	return 0
}

// policy is the host's: one control of its own, and three gates.
func policy() (*posture.Policy, error) {
	model, err := posture.NewModel(posture.ModelConfig{
		Version: "1",
		Links: map[string]string{
			posture.SecondFactor:       "/settings/security/pair",
			posture.RecoveryCodesSaved: "/settings/security/codes",
		},
		Controls: []posture.Control{{
			ID: "password-age", Title: "Your password is less than a year old", Failing: "Your password is over a year old",
			Question: "Did you change your password within a year?",
			Severity: posture.Low, Effort: posture.Little, Reads: posture.HostEvidence, Fix: posture.Remediation{
				Title: "Change your password", Text: "Choose one that you use nowhere else.", Link: "/settings/password",
			},
			Check: func(f posture.Facts, _ time.Time) posture.Result {
				switch f.Host.Answers["password-age"] {
				case posture.Yes:
					return posture.Result{State: posture.Pass, Reason: "It was."}
				case posture.No:
					return posture.Result{State: posture.Fail, Reason: "It is older."}
				}
				return posture.Result{Reason: "That is not known."}
			},
		}},
	})
	if err != nil {
		return nil, err
	}
	return posture.NewPolicy(model,
		posture.Gate{Action: posture.MintToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: "members.invite", Controls: []string{posture.SecondFactor, posture.RecoveryCodesSaved}},
		posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor, posture.EmailVerified}, MaxAge: 5 * time.Minute, SecondFactor: true},
	)
}

// host is what the service knows of its accounts by itself.
func host(_ context.Context, account string) (posture.Host, error) {
	answers := []posture.Answer{posture.Yes, posture.Yes, posture.No, posture.Unknown}
	chance := int(account[len(account)-1])
	return posture.Host{
		At:            time.Now(),
		EmailVerified: answers[chance%3],
		Answers:       map[string]posture.Answer{"password-age": answers[chance%4]},
	}, nil
}

func demo(ctx context.Context, accounts int, out io.Writer) error {
	dir, err := os.MkdirTemp("", "review")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite3", "file:"+filepath.ToSlash(filepath.Join(dir, "accounts.db"))+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)")
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err == nil {
		err = store.Migrate(ctx)
	}
	if err != nil {
		return err
	}
	gates, err := policy()
	if err != nil {
		return err
	}
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(),
		Recovery: recovery.Params{Memory: 8, Time: 1, Threads: 1}, // for made-up accounts alone
	})
	if err != nil {
		return err
	}
	reviews, err := posture.New(svc, posture.Config{Policy: gates, Host: host})
	if err != nil {
		return err
	}
	for i := range accounts {
		if err := makeUp(ctx, svc, fmt.Sprintf("user-%06d", i)); err != nil {
			return err
		}
	}

	const ada = "ada"
	session, err := signIn(ctx, svc, ada)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "# %s, who has a password\n\n", ada)
	if err := show(ctx, reviews, ada, out); err != nil {
		return err
	}
	if err := deploy(ctx, reviews, session, out); err != nil {
		return err
	}
	if session, err = pair(ctx, svc, ada, true); err != nil {
		return err
	}
	fmt.Fprintf(out, "\n# %s, who has paired an authenticator and saved the codes\n\n", ada)
	if err := show(ctx, reviews, ada, out); err != nil {
		return err
	}
	if err := deploy(ctx, reviews, session, out); err != nil {
		return err
	}
	preview, err := reviews.Preview(ctx, ada, (*posture.Trial).DisableTwoFactor)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nTurned off again, the score would fall from %d to %d, and close %v. %v\n",
		preview.Before.Score, preview.After.Score, preview.Closes, preview.Warnings)
	return fleet(ctx, reviews.Operator(svc.Operator("audit")), out)
}

// makeUp has an account be as well protected as chance has it.
func makeUp(ctx context.Context, svc *gatehouse.Service, account string) error {
	switch rand.IntN(3) {
	case 0:
		_, err := signIn(ctx, svc, account)
		return err
	case 1:
		_, err := pair(ctx, svc, account, false)
		return err
	}
	_, err := pair(ctx, svc, account, true)
	return err
}

// signIn returns the session of somebody who has typed the right password.
func signIn(ctx context.Context, svc *gatehouse.Service, account string) (gatehouse.Session, error) {
	session := gatehouse.Session{Account: account}
	try, err := svc.Before(ctx, account)
	if err == nil {
		session.Proof, err = try.Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd"})
	}
	return session, err
}

// pair returns the session of an owner who has paired an authenticator.
func pair(ctx context.Context, svc *gatehouse.Service, account string, saved bool) (gatehouse.Session, error) {
	session, err := signIn(ctx, svc, account)
	if err != nil {
		return session, err
	}
	owner := svc.Owner(session)
	enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: account})
	if err != nil {
		return session, err
	}
	if saved {
		if err := owner.AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID); err != nil {
			return session, err
		}
	}
	code, err := totp.Key{Secret: enr.Secret}.Code(totp.Step(time.Now())) // what the owner's app shows
	if err != nil {
		return session, err
	}
	session.Proof, err = owner.ConfirmEnrollment(ctx, enr.ID, code)
	return session, err
}

func show(ctx context.Context, reviews *posture.Service, account string, out io.Writer) error {
	r, err := reviews.Review(ctx, account)
	if err != nil {
		return err
	}
	return r.WriteText(out)
}

// deploy goes through a gate, or says what would open it.
func deploy(ctx context.Context, reviews *posture.Service, session gatehouse.Session, out io.Writer) error {
	err := reviews.Require(ctx, session, "deploy.public")
	var gate *posture.GateError
	switch {
	case err == nil:
		fmt.Fprintln(out, "\nDeployed to the internet.")
	case errors.As(err, &gate):
		fmt.Fprintln(out, "\nNot deployed to the internet:")
		for _, f := range gate.Unmet {
			fmt.Fprintf(out, "- %s: %s. %s\n", f.Title, f.Fix.Title, f.Fix.Link)
		}
		if errors.Is(err, gatehouse.ErrStepUpRequired) {
			fmt.Fprintln(out, "- a fresh code is needed")
		}
	default:
		return err
	}
	return nil
}

func fleet(ctx context.Context, operator posture.Operator, out io.Writer) error {
	f, err := operator.Fleet(ctx, posture.Summary{}, nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n# All %d accounts\n\nby level: %v\n", f.Accounts, f.Levels)
	fmt.Fprintf(out, "without a second factor: %d\n", f.Controls[posture.SecondFactor][posture.Fail])
	for _, action := range []string{posture.MintToken, "members.invite", "deploy.public"} {
		fmt.Fprintf(out, "shut out of %s: %d\n", action, f.ShutOut[action])
	}
	var first []string
	for account, err := range operator.ShutOut(ctx, posture.MintToken, "") {
		if err != nil {
			return err
		}
		if first = append(first, account); len(first) == 5 {
			break
		}
	}
	fmt.Fprintf(out, "the first of them: %v\n", first)
	return nil
}
