module github.com/flatline-dev/flatline

go 1.25.0
