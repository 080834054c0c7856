#include "kat_headers.h"

#include <stdio.h>

#include "support.h"

/* A bare line is handed over in a block of its own size, with its end. */
static kat_headers_result line(kat_headers *h, const char *text)
{
    char buf[512];
    char *copy;
    size_t len = (size_t)snprintf(buf, sizeof buf, "%s\r\n", text);
    kat_headers_result result;

    assert_true(len < sizeof buf);
    copy = exact_copy(buf, len);
    result = kat_headers_line(h, copy, len);
    free(copy);
    return result;
}

/* As the engine does, with the status of a block's first line. */
static void feed(kat_headers *h, const char *const *lines)
{
    const char *first = NULL;

    for (; *lines; lines++) {
        bool ended = h->body;

        first = first ? first : *lines;
        assert_int_equal(line(h, *lines), KAT_HEADERS_OK);
        if (h->body && !ended) {
            kat_headers_ended(h, strtol(first + strlen("HTTP/1.1"), NULL, 10));
            first = NULL;
        }
    }
}

/* Compares with "name=value|name=value", joined ones left out. */
static void expect(const kat_headers *h, const char *wanted)
{
    kat_buf got = {0};
    size_t i;

    for (i = 0; i < kat_headers_count(h); i++) {
        const kat_header *header = kat_headers_at(h, i);

        if (header->joined)
            continue;
        if (got.len > 0)
            assert_true(kat_buf_addc(&got, '|'));
        assert_true(kat_buf_add(&got, h->text.data + header->name, header->name_len));
        assert_true(kat_buf_addc(&got, '='));
        assert_true(kat_buf_add(&got, h->text.data + header->value, header->value_len));
    }
    assert_true(kat_buf_addc(&got, '\0'));
    assert_string_equal(got.data, wanted);
    kat_buf_free(&got);
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check(const char *const *lines, const char *wanted)
{
    kat_headers h = {0};

    feed(&h, lines);
    assert_true(kat_headers_join(&h));
    expect(&h, wanted);
    kat_headers_free(&h);
}

static void names_in_lower_case_values_trimmed(void **state)
{
    (void)state;
    check(LINES("HTTP/1.1 200 OK", "X-Request-ID: abc", "Content-Type:\t application/json \t", ""),
          "x-request-id=abc|content-type=application/json");
    check(LINES("HTTP/1.1 200 OK", "AaZz09-_`@[{~: AZ", ""), "aazz09-_`@[{~=AZ");
    check(LINES("HTTP/1.1 200 OK", "A:", "B: ", "C:x:y", "\xc3\x84: \xc3\x84", ""),
          "a=|b=|c=x:y|\xc3\x84=\xc3\x84");
    check(LINES("HTTP/1.1 204 No Content", ""), "");
}

static void interim_answers_are_dropped(void **state)
{
    (void)state;
    check(LINES("HTTP/1.1 100 Continue", "X-Interim: 1", "", "HTTP/1.1 103 Early Hints",
                "Link: </a>", "", "HTTP/1.1 200 OK", "A: 1", ""),
          "a=1");
}

/* libcurl says what a status line is, and the status: "HTTP/1.1  100" is a 100. */
static void status_lines_are_those_of_libcurl(void **state)
{
    (void)state;
    check(LINES("HTTP/1.1  100 Continue", "X-Interim: 1", "", "HTTP/1.1 200 OK", "A: 1", ""),
          "a=1");
    check(LINES("HtTP/1.1 100 Continue", "X-Interim: 1", "", "hTTp/1.1 200 OK", "A: 1", ""), "a=1");
    /* One within a block is a header line, of a curious name or of none. */
    check(LINES("HTTP/1.1 200 OK", "A: 1", "HTTP/1.1 404 Not Found", "B: 2", ""), "a=1|b=2");
    check(LINES("HTTP/1.1 100 Continue", "HTTP/ HTTP/1.1 299:", "", "HTTP/1.1 200 OK", "A: 1", ""),
          "a=1");
    /* 101 is the last, whatever looks like another. */
    check(LINES("HTTP/1.1 101 Switching Protocols", "A: 1", "", "HTTP/1.1 200 OK", "A: 2", ""),
          "a=1");
}

static void repeated_headers_are_joined(void **state)
{
    (void)state;
    check(LINES("HTTP/1.1 200 OK", "Vary: a", "X: 1", "vary: b", "VARY:", "Y: 2", "Vary: c", "x: 3",
                ""),
          "vary=a, b, , c|x=1, 3|y=2");
    /* A name that only begins like another is another. */
    check(LINES("HTTP/1.1 200 OK", "Ab: 1", "A: 2", "Abc: 3", ""), "ab=1|a=2|abc=3");
}

static void folded_lines_go_on(void **state)
{
    (void)state;
    check(LINES("HTTP/1.1 200 OK", "A: 1", "  2", "\t3 ", "   ", "B:", " 4", ""), "a=1 2 3|b=4");
    /* There is nothing that it could go on with. */
    check(LINES("HTTP/1.1 200 OK", " lost", "A: 1", ""), "a=1");
}

static void trailers_are_dropped(void **state)
{
    (void)state;
    check(LINES("HTTP/1.1 200 OK", "A: 1", "", "X-Trailer: 2", "A: 3", " 4"), "a=1");
    /* One that looks like a status line begins nothing. */
    check(LINES("HTTP/1.1 200 OK", "A: 1", "", "HTTP/1.1 200 OK", "A: 2", "", "A: 3"), "a=1");
    check(LINES("HTTP/1.1 103 Early Hints", "A: 0", "", "HTTP/1.1 200 OK", "A: 1", "",
                "HTTP/1.1 103 Early Hints", "A: 2", ""),
          "a=1");
}

static void a_status_is_three_digits(void **state)
{
    static const struct {
        const char *line;
        int status; /* 0: none */
    } rows[] = {
        {"HTTP/1.1 200 OK", 200},
        {"HTTP/1.1 200", 200},
        {"HTTP/1.1 200 ", 200},
        {"HTTP/1.0 999 Odd", 999},
        {"HTTP/2 201", 201},
        {"HTTP/2 201 Created", 201},
        {"HTTP/1.1  204 two blanks", 204},
        {" HTTP/1.1 200 OK", 200},
        {"HTTP 200 OK", 200},
        {"HTTP/1.1 2010 Created", 0},
        {"HTTP/1.1 4290 Many", 0},
        {"HTTP/1.1 2010", 0},
        {"HTTP/2 2010", 0},
        {"HTTP/1.1 20 OK", 0},
        {"HTTP/1.1 200OK", 0},
        {"HTTP/1.1 200.5 OK", 0},
        {"HTTP/1.1 20100000000000000000000 OK", 0},
        {"HTTP/1.1 +20 OK", 0},
        {"HTTP/1.1 -20 OK", 0},
        {"HTTP/1.1 0x1 OK", 0},
        {"HTTP/1.1 000 OK", 0},
        {"HTTP/1.1 099 OK", 0},
        {"HTTP/1.1 20\xc2\xb2 OK", 0},
        {"HTTP/1.1", 0},
        {"HTTP/1.1 ", 0},
        {"HTTP/1.1 1030 Early", 0},
        {"HTTP/1.1 2 00 OK", 0},
        {"HTTP/1.1 200;x", 0},
        {"HTTP/1.1 0200 OK", 0},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_headers h = {0};
        kat_headers_result result = line(&h, rows[i].line);

        if (result != (rows[i].status ? KAT_HEADERS_OK : KAT_HEADERS_BAD_STATUS))
            fail_msg("\"%s\": %d", rows[i].line, (int)result);
        if (rows[i].status) {
            assert_int_equal(h.status, rows[i].status);
            assert_int_equal(line(&h, ""), KAT_HEADERS_OK);
            /* libcurl has to have read the same. */
            assert_true(kat_headers_ended(&h, rows[i].status));
            assert_false(kat_headers_ended(&h, rows[i].status + 1));
        }
        kat_headers_free(&h);
    }
    /* Behind an interim answer, too. */
    {
        kat_headers h = {0};

        feed(&h, LINES("HTTP/1.1 103 Early Hints", ""));
        assert_int_equal(line(&h, "HTTP/1.1 2010 Created"), KAT_HEADERS_BAD_STATUS);
        kat_headers_free(&h);
    }
}

static void garbage_does_no_harm(void **state)
{
    kat_headers h = {0};

    (void)state;
    check(LINES("HTTP/1.1 200 OK", "no colon", ": no name", "  : none either", "A: 1", ""), "a=1");
    assert_int_equal(kat_headers_line(&h, "", 0), KAT_HEADERS_BAD_STATUS);
    assert_int_equal(kat_headers_line(&h, "", 0), KAT_HEADERS_OK);
    assert_int_equal(kat_headers_line(&h, "HTTP", 4), KAT_HEADERS_OK);
    assert_int_equal(kat_headers_line(&h, ":", 1), KAT_HEADERS_OK);
    assert_int_equal(kat_headers_line(&h, "a:", 2), KAT_HEADERS_OK); /* without its end */
    assert_int_equal(kat_headers_line(&h, TEXT("n\0l: v\0w\r\n")), KAT_HEADERS_OK);
    assert_int_equal(kat_headers_count(&h), 2);
    assert_int_equal(kat_headers_at(&h, 1)->name_len, 3);
    assert_memory_equal(h.text.data + kat_headers_at(&h, 1)->value, "v\0w", 3);
    kat_headers_free(&h);
}

/* Interim answers and trailers count: they could be sent without end too. */
static void bytes_are_limited(void **state)
{
    static const char status[] = "HTTP/1.1 102 Processing\r\n";
    kat_headers h = {0};
    size_t n = 0;

    (void)state;
    while (kat_headers_line(&h, TEXT(status)) == KAT_HEADERS_OK)
        n++;
    assert_int_equal(n, KAT_HEADERS_MAX_BYTES / (sizeof status - 1));
    kat_headers_reset(&h);
    assert_int_equal(line(&h, "HTTP/1.1 200 OK"), KAT_HEADERS_OK);
    assert_int_equal(line(&h, ""), KAT_HEADERS_OK);
    for (n = 1; kat_headers_line(&h, TEXT("trailer: 1\r\n")) == KAT_HEADERS_OK; n++)
        assert_true(n < KAT_HEADERS_MAX_BYTES);
    assert_int_equal(kat_headers_count(&h), 0);
    kat_headers_free(&h);
}

static void one_line_of_the_limit_fits(void **state)
{
    char *text = malloc(KAT_HEADERS_MAX_BYTES + 1);
    kat_headers h = {0};

    (void)state;
    memset(text, 'v', KAT_HEADERS_MAX_BYTES + 1);
    memcpy(text, "HTTP/1.1 200 ", 13);
    assert_int_equal(kat_headers_line(&h, text, KAT_HEADERS_MAX_BYTES), KAT_HEADERS_OK);
    assert_int_equal(kat_headers_line(&h, "\n", 1), KAT_HEADERS_TOO_LARGE);
    kat_headers_reset(&h);
    assert_int_equal(kat_headers_line(&h, text, KAT_HEADERS_MAX_BYTES + 1), KAT_HEADERS_TOO_LARGE);
    kat_headers_free(&h);
    free(text);
}

static void lines_are_counted(void **state)
{
    kat_headers h = {0};
    int i;

    (void)state;
    assert_int_equal(line(&h, "HTTP/1.1 200 OK"), KAT_HEADERS_OK);
    for (i = 0; i < KAT_HEADERS_MAX_COUNT; i++)
        assert_int_equal(line(&h, "Same: x"), KAT_HEADERS_OK);
    assert_int_equal(line(&h, "Same: x"), KAT_HEADERS_TOO_LARGE);
    assert_int_equal(kat_headers_count(&h), KAT_HEADERS_MAX_COUNT);
    assert_true(kat_headers_join(&h));
    assert_int_equal(kat_headers_at(&h, 0)->value_len, 3 * KAT_HEADERS_MAX_COUNT - 2);
    assert_true(kat_headers_at(&h, KAT_HEADERS_MAX_COUNT - 1)->joined);
    kat_headers_free(&h);
}

/* Where an answer ends may not depend on who reads it. */
static void a_length_is_one_number(void **state)
{
    static const struct {
        const char *first, *second;
        kat_headers_result result;
        bool promise;
    } rows[] = {
        {"Content-Length: 0", NULL, KAT_HEADERS_OK, false},
        {"content-LENGTH:\t20 ", NULL, KAT_HEADERS_OK, true},
        {"Content-Length: 20", "Content-Length: 20", KAT_HEADERS_OK, true},
        {"Content-Length: 20, 20 ,\t020", NULL, KAT_HEADERS_OK, true},
        {"Content-Length: 99999999999999999999999", NULL, KAT_HEADERS_OK, true},
        {"Content-Length: 18446744073709551615", NULL, KAT_HEADERS_OK, true},
        {"Content-Lengthy: x", "Content-Lengt: y", KAT_HEADERS_OK, false},
        {"Transfer-Encoding: chunked", NULL, KAT_HEADERS_OK, true},
        {"Content-Length: 20", "Content-Length: 2", KAT_HEADERS_BAD_FRAMING, true},
        {"Content-Length: 0", "Content-Length: 2", KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: 20, 2", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length:", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: ,", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: 2,", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: 0x2", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: -2", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: +2", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: 2 bytes", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length : 2", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Transfer-Encoding\t: chunked", NULL, KAT_HEADERS_BAD_FRAMING, false},
        {"Content-Length: 2.0", NULL, KAT_HEADERS_BAD_FRAMING, false},
    };
    kat_headers h = {0};
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        kat_headers_result result;

        kat_headers_reset(&h);
        assert_int_equal(line(&h, "HTTP/1.1 200 OK"), KAT_HEADERS_OK);
        result = line(&h, rows[i].first);
        if (rows[i].second) {
            assert_int_equal(result, KAT_HEADERS_OK);
            result = line(&h, rows[i].second);
        }
        if (result != rows[i].result || h.promise != rows[i].promise)
            fail_msg("%s: %d, promise %d", rows[i].first, (int)result, h.promise);
    }
    kat_headers_free(&h);
}

static void a_reset_begins_anew(void **state)
{
    kat_headers h = {0};

    (void)state;
    feed(&h, LINES("HTTP/1.1 200 OK", "A: 1", ""));
    kat_headers_reset(&h);
    assert_int_equal(kat_headers_count(&h), 0);
    assert_int_equal(h.seen, 0);
    feed(&h, LINES("HTTP/1.1 200 OK", "B: 2"));
    expect(&h, "b=2");
    kat_headers_free(&h);
}

static bool attempt(void *data)
{
    kat_headers h = {0};
    char long_value[400];
    bool done;

    (void)data;
    memset(long_value, 'v', sizeof long_value - 1);
    long_value[sizeof long_value - 1] = '\0';
    memcpy(long_value, "Z: ", 3);
    done = line(&h, "HTTP/1.1 200 OK") == KAT_HEADERS_OK && line(&h, "A: 1") == KAT_HEADERS_OK &&
           line(&h, " more") == KAT_HEADERS_OK && line(&h, long_value) == KAT_HEADERS_OK &&
           line(&h, long_value) == KAT_HEADERS_OK && line(&h, "A: 2") == KAT_HEADERS_OK &&
           kat_headers_join(&h);
    kat_headers_free(&h);
    return done;
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ration_sweep(attempt, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_lower_case_values_trimmed),
        cmocka_unit_test(interim_answers_are_dropped),
        cmocka_unit_test(status_lines_are_those_of_libcurl),
        cmocka_unit_test(repeated_headers_are_joined),
        cmocka_unit_test(folded_lines_go_on),
        cmocka_unit_test(trailers_are_dropped),
        cmocka_unit_test(a_status_is_three_digits),
        cmocka_unit_test(garbage_does_no_harm),
        cmocka_unit_test(bytes_are_limited),
        cmocka_unit_test(one_line_of_the_limit_fits),
        cmocka_unit_test(lines_are_counted),
        cmocka_unit_test(a_length_is_one_number),
        cmocka_unit_test(a_reset_begins_anew),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };

    return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
