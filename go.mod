module token2go

go 1.26
