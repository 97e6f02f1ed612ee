// What Docker's own reader of ignore files says: stdin is a line of paths, then a line for each file, all in
// hexadecimal. For each file a line: a 1 for each path that is left out, or "error".
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func unhex(text string) string {
	bytes, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return string(bytes)
}

func judge(file string, paths []string) string {
	patterns, err := ignorefile.ReadAll(bytes.NewReader([]byte(file)))
	if err != nil {
		return "error"
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return "error"
	}
	// A pattern that is no expression is an error when it is first asked; here all are asked, exceptions after
	// something that they could except from.
	for _, pattern := range patterns {
		alone := []string{pattern}
		if strings.HasPrefix(pattern, "!") {
			alone = []string{"**", pattern}
		}
		if one, err := patternmatcher.New(alone); err != nil {
			return "error"
		} else if _, err := one.MatchesOrParentMatches("x"); err != nil {
			return "error"
		}
	}
	answer := ""
	for _, path := range paths {
		ignored, err := matcher.MatchesOrParentMatches(path)
		if err != nil {
			return "error"
		}
		if ignored {
			answer += "1"
		} else {
			answer += "0"
		}
	}
	return answer
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	var paths []string
	lines.Scan()
	for _, path := range strings.Fields(lines.Text()) {
		paths = append(paths, unhex(path))
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		fmt.Fprintln(out, judge(unhex(lines.Text()), paths))
	}
}
