package imap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"reflect"
	"testing"
)

// libraryTraps are the ways in which go-imap v2 loses mail, hangs, or gives up a
// server for an odd octet, each with the tests that a session of ours doesn't.
var libraryTraps = map[string][]string{
	// Errors and timeouts.
	"no timeout while an answer is due":                   {"TestDialSilentServerTimesOut", "TestFetchStalls"},
	"a fixed time for a literal, the consumer's included": {"TestFetchConsumerMayTakeItsTime", "TestIdleSessionHasNoLimit"},
	"no context":                                             {"TestEndOfContext", "TestFetchEndOfContext", "TestAppendEndOfContext"},
	"texts of NO, ALERT and BYE thrown away":                 {"TestSilentByeKeepsItsText", "TestRefusedCommandTellsCodeAndWords"},
	"causes that errors.Is doesn't find":                     {"TestFetchStalls", "TestFetchTornAnywhere", "TestHangUpWhileIdle"},
	"the end of a connection in a literal is no error":       {"TestFetchTornAnywhere", "TestSpoolTorn", "TestSourceCutAnywhere"},
	"NO to APPEND before the + closes the connection":        {"TestAppendSynchronisingRefusalCostsNoUpload", "TestAppendPipelined"},
	"fewer octets written than announced":                    {"TestAppendShortBody"},
	"closing with an open literal hangs, or races":           {"TestCloseEndsACommandUnderWay", "TestFetchConsumerGivesUp", "TestNoGoroutineIsLeft"},
	"a consumer that stops early":                            {"TestFetchConsumerReadsPart", "TestFetchConsumerGivesUp"},
	"a race after STARTTLS":                                  {"TestTLS", "TestStartTLSNeverFallsBack"},
	"a trace that shows passwords":                           {"TestFailureIsLoggedWithoutSecrets", "TestTraceKeepsTheLastLines"},
	"LOGINDISABLED isn't heeded":                             {"TestLoginForms", "TestLoginImpossible"},
	"a round trip for each APPEND above 4096 octets":         {"TestAppendPipelined", "TestAppendLiteralMinus"},
	"lines of any length":                                    {"TestEndlessLine", "TestLongLineIsRead"},
	"APPEND without a flag list, which BlueMind dates today": {"TestAppendPipelined"},

	// Odd responses.
	"unknown untagged responses":                     {"TestExamine", "TestUnknownAnswerEndsTheSession"},
	"LSUB, XLIST":                                    {"TestListAsksXLISTAndLSUB"},
	"unknown FETCH items":                            {"TestMessages", "TestFetchForms"},
	"flags that are none":                            {"TestMessages", "TestExamine"},
	"INTERNALDATE NIL, of the year 0, of two digits": {"TestMessages", "TestParseDate"},
	"RFC822.SIZE NIL or negative":                    {"TestMessages"},
	"BODY[] as literal8":                             {"TestFetchForms"},
	"malformed and 8-bit mailbox names":              {"TestListNames", "TestExamineFindsMalformedNamesByTheirDecodedName"},
	"names as literals":                              {"TestListNames", "TestSourceReadsAllWhateverTheServersManner"},
	"UIDVALIDITY above 32 bits, or none":             {"TestExamineWithoutUIDValidityFails"},
	"response codes in lower case":                   {"TestExamine"},
	"a response code that isn't closed":              {"TestExamine", "TestExamineWithoutUIDValidityFails"},
	"STATUS of inbox, in another case":               {"TestStatus"},
	"ENVELOPE and BODYSTRUCTURE that can't be read":  {"TestCopyAsksForNothingParsed"},
	"greetings PREAUTH and BYE":                      {"TestDialGreetings"},

	// Mail lost without a word.
	"flags before the body, or the two apart":  {"TestFetchForms", "TestCopyOddSource"},
	"UID after the body":                       {"TestFetchForms", "TestCopyOddSource"},
	"EXPUNGE while fetching":                   {"TestFetchForms", "TestCopyOddSource"},
	"untagged NO, and OK with fewer messages":  {"TestFetchForms", "TestCopyUndelivered"},
	"answers out of order":                     {"TestAppendPipelined", "TestFetchGoesOnAfterARefusedChunk"},
	"sets of UIDs as long as a command may be": {"TestUIDChunks"},
}

// TestEachTrapOfTheLibraryHasATest reads this package's test files.
func TestEachTrapOfTheLibraryHasATest(t *testing.T) {
	there := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil {
				there[fn.Name.Name] = true
			}
		}
	}
	for trap, tests := range libraryTraps {
		for _, name := range tests {
			if !there[name] {
				t.Errorf("%s: there is no %s", trap, name)
			}
		}
	}
}

// TestFetchConsumerReadsPart: what a consumer leaves of a body is passed over,
// and the next one is whole.
func TestFetchConsumerReadsPart(t *testing.T) {
	s := source(t, "", func(p *peer) {
		tag := p.expect(`UID FETCH 5:8 \(UID BODY.PEEK\[\]\)`)
		for _, head := range []string{"1 FETCH (UID 5 BODY[]", "2 FETCH (UID 6 BODY[]", "3 FETCH (BODY[]", "4 FETCH (UID 8 BODY[]"} {
			p.raw("* " + head + " {13}\r\n)\r\nB4 OK \r\n\r\n")
			if head == "3 FETCH (BODY[]" {
				p.raw(" UID 7")
			}
			p.raw(")\r\n")
		}
		p.send(tag, "$ OK done")
		p.answer("NOOP")
		p.bye()
	})
	read := map[uint32]int{}
	err := s.Fetch(t.Context(), []uint32{5, 6, 7, 8}, func(uid uint32, size int64, body io.Reader) error {
		n, err := io.ReadFull(body, make([]byte, map[uint32]int{5: 0, 6: 3, 7: 5, 8: 13}[uid]))
		read[uid] = n
		return err
	})
	if want := map[uint32]int{5: 0, 6: 3, 7: 5, 8: 13}; err != nil || !reflect.DeepEqual(read, want) {
		t.Errorf("read %v, %v", read, err)
	}
	if err := s.Noop(t.Context()); err != nil {
		t.Errorf("out of step: %v", err)
	}
}
