module minibuild/tests/e2e/ignore_judge

go 1.19

require github.com/moby/patternmatcher v0.6.1
