package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/secretfile"
)

// What became of a line.
const (
	lineImported = "imported" // all of it works from now on
	linePartly   = "partly"   // its authenticator works, and some of its recovery codes were left out
	lineThere    = "there"    // the account has it already
	lineClosed   = "closed"   // nothing of its account can be imported, and an operator's code is all that answers
	lineRefused  = "refused"  // nothing was done
)

// lineResult is what became of a line: a row of the report.
type lineResult struct {
	importLine
	outcome       string
	authenticator gatehouse.ImportOutcome
	counts        string // of its recovery codes, by outcome
	why           string
}

// importCounts is the JSON of an import.
type importCounts struct {
	Lines    int  `json:"lines"`
	Imported int  `json:"imported"`
	Weak     int  `json:"weak"` // of those imported, the ones with a short secret
	Partly   int  `json:"partly"`
	There    int  `json:"there"`
	Closed   int  `json:"closed"`
	Refused  int  `json:"refused"`
	After    int  `json:"after"` // the last line of the file that was seen
	Complete bool `json:"complete"`
	DryRun   bool `json:"dry_run"`
}

func (n *importCounts) add(r lineResult) {
	n.Lines++
	n.After = r.last
	if r.authenticator == "weak" {
		n.Weak++
	}
	*map[string]*int{
		lineImported: &n.Imported, linePartly: &n.Partly, lineThere: &n.There, lineClosed: &n.Closed, lineRefused: &n.Refused,
	}[r.outcome]++
}

func (n importCounts) String() string {
	text := fmt.Sprintf("%s seen, %d imported (%d weak), %d partly, %d there already, %d closed, %d refused",
		counted(n.Lines, "line"), n.Imported, n.Weak, n.Partly, n.There, n.Closed, n.Refused)
	if n.DryRun {
		return "dry run, nothing was changed: " + text
	}
	return text
}

// resultsOf returns what became of the lines of one account.
func resultsOf(lines []importLine, in gatehouse.ImportResult, err error) (results []lineResult) {
	auths, codes := in.Authenticators, in.RecoveryCodes
	for _, l := range lines {
		r := lineResult{importLine: l, outcome: lineRefused}
		if err == nil {
			if len(l.auths) > 0 {
				r.authenticator, auths = auths[0], auths[1:]
			}
			r.judge(codes[:len(l.codes)], in)
			codes = codes[len(l.codes):]
		} else {
			r.why = inCommand.Replace(err.Error())
		}
		results = append(results, r)
	}
	return results
}

// inCommand puts an error of the library into words of this command.
var inCommand = strings.NewReplacer("gatehouse: ", "", "Close is not set", "-close is not given", " can be brought", " can be imported")

// judge finds the outcome of a line that was imported.
func (r *lineResult) judge(codes []gatehouse.ImportOutcome, in gatehouse.ImportResult) {
	var order []gatehouse.ImportOutcome
	n := map[gatehouse.ImportOutcome]int{}
	brought, left := 0, 0
	for _, o := range codes {
		if n[o] == 0 {
			order = append(order, o)
		}
		n[o]++
		switch {
		case o.Brought():
			brought++
		case o != "has_codes" && o != "duplicate":
			left++
		}
	}
	var counts []string
	for _, o := range order {
		counts = append(counts, fmt.Sprintf("%s:%d", o, n[o]))
	}
	r.counts, r.why = strings.Join(counts, " "), r.note
	added := r.authenticator.Brought()
	switch {
	case in.Closed:
		r.outcome, r.why = lineClosed, inShort[r.authenticator]
		if in.Code.IsZero() {
			r.why = "it was closed before; if its code is lost, reset it"
		}
	case r.authenticator != "" && !added && r.authenticator != "there" && r.authenticator != "duplicate":
		r.why = inShort[r.authenticator]
	case left > 0:
		r.outcome = linePartly
	case added || brought > 0:
		r.outcome = lineImported
	default:
		r.outcome = lineThere
	}
}

// inShort has what outcomes that leave an authenticator out mean.
var inShort = map[gatehouse.ImportOutcome]string{
	"too_many":       "an account has at most 5 authenticators",
	"bad_secret":     "the secret is not 10 to 128 bytes in base32 or hexadecimal",
	"bad_period":     "its codes have another period than 30 seconds",
	"bad_parameters": "the algorithm or the number of digits is not there here",
	"eight_digits":   "the account has recovery codes of eight digits, as this authenticator shows",
}

// importReport writes a row for each line, and the code of each account that was closed.
type importReport struct {
	counts importCounts
	errs   io.Writer
	rows   *csvFile // nil: none
	codes  *csvFile // nil: none
}

// newImportReport opens the files. A run that goes on appends to the report.
func newImportReport(report, codes string, goesOn, dry bool, errs io.Writer) (*importReport, error) {
	r := &importReport{errs: errs, counts: importCounts{DryRun: dry}}
	var err error
	if report != "" {
		if r.rows, err = openCSV(report, !goesOn, "line", "account", "outcome", "authenticator", "recovery_codes", "why"); err != nil {
			return nil, fmt.Errorf("-report: %w", err)
		}
	}
	if codes != "" && !dry {
		if r.codes, err = openCSV(codes, false, "account", "code", "expires"); err != nil {
			r.close()
			return nil, fmt.Errorf("-close: %w", err)
		}
	}
	return r, nil
}

func (r *importReport) close() {
	for _, f := range []*csvFile{r.rows, r.codes} {
		if f != nil {
			f.file.Close()
		}
	}
}

// closed keeps the code of an account that was closed, before anything else happens.
func (r *importReport) closed(account string, in gatehouse.ImportResult) error {
	if r.codes == nil || in.Code.IsZero() {
		return nil
	}
	err := r.codes.write(account, in.Code.Reveal(), in.CodeExpires.UTC().Format(time.RFC3339))
	if err == nil {
		err = r.codes.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("the code of the account %s, which is closed now, could not be written and is lost (reset makes another)", shown(account))
	}
	return nil
}

func (r *importReport) add(results []lineResult) error {
	for _, l := range results {
		r.counts.add(l)
		if l.outcome == lineRefused {
			fmt.Fprintf(r.errs, "%s refused: %s\n", l.place(), l.why)
		}
		if r.rows == nil {
			continue
		}
		err := r.rows.write(strconv.Itoa(l.first), plain(l.account), l.outcome, string(l.authenticator), l.counts, l.why)
		if err != nil {
			return errors.New("the report cannot be written")
		}
	}
	return nil
}

// place is where a line is, and of which account.
func (l importLine) place() string {
	where := fmt.Sprintf("line %d", l.first)
	if l.last > l.first {
		where = fmt.Sprintf("lines %d to %d", l.first, l.last)
	}
	if l.account == "" {
		return where + ":"
	}
	return where + ", account " + shown(l.account) + ":"
}

// csvFile is a file of CSV that is written line by line.
type csvFile struct {
	file *os.File
	*csv.Writer
}

// openCSV opens a file that others cannot read, emptied or to append to, and gives it a header if it has none.
func openCSV(path string, empty bool, header ...string) (*csvFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s", path)
	}
	f := &csvFile{file, csv.NewWriter(file)}
	if err := f.begin(empty, header); err != nil {
		file.Close()
		var refused secretfile.Refused
		if errors.As(err, &refused) {
			return nil, fmt.Errorf("%s: %s", path, refused)
		}
		return nil, fmt.Errorf("cannot write %s", path)
	}
	return f, nil
}

func (f *csvFile) begin(empty bool, header []string) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return secretfile.Refused("not a regular file")
	}
	if err := secretfile.Check(f.file); err != nil {
		return err
	}
	if info.Size() == 0 {
		return f.write(header...)
	}
	line := strings.Join(header, ",") + "\n"
	begins := make([]byte, len(line))
	if _, err := f.file.ReadAt(begins, 0); err != nil || string(begins) != line {
		return secretfile.Refused("another file, which is left as it is")
	}
	if empty {
		return f.file.Truncate(int64(len(line)))
	}
	return nil
}

func (f *csvFile) write(fields ...string) error {
	if err := f.Write(fields); err != nil {
		return err
	}
	f.Flush()
	return f.Error()
}

// openImport opens the file of an import, "-" being standard input.
func openImport(path string, in io.Reader) (io.ReadCloser, error) {
	file, err := (*os.File)(nil), error(nil)
	if path == "-" {
		f, ok := in.(*os.File)
		if !ok {
			return io.NopCloser(in), nil
		}
		if info, failed := f.Stat(); failed != nil || !info.Mode().IsRegular() {
			return io.NopCloser(in), nil
		}
		file, err = f, secretfile.Check(f)
		path = "standard input"
	} else {
		file, err = secretfile.Open(path)
	}
	var refused secretfile.Refused
	switch {
	case errors.As(err, &refused):
		return nil, fmt.Errorf("%s: %s", path, refused)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %s", path)
	case err != nil:
		return nil, fmt.Errorf("cannot read %s", path)
	}
	return file, nil
}
