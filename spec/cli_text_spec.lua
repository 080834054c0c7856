-- Text as a terminal may have it.

local text = require "kataven.cli.text"

describe("kataven.cli.text", function()
    describe("plain", function()
        for given, shown in pairs {
            ["acme.com"] = "acme.com",
            ["Zürich – „alt“ 東京 👍"] = "Zürich – „alt“ 東京 👍",
            ["\27[31mred\27[0m"] = "\\x1B[31mred\\x1B[0m",
            ["a\nb\tc\rd"] = "a\\nb\\x09c\\x0Dd",
            ["nul\0bell\7del\127"] = "nul\\x00bell\\x07del\\x7F",
            ["\194\155 31m"] = "\\x9B 31m", -- CSI of C1
            ["a\226\128\174b"] = "a\\u202Eb", -- turns the text around
            ["\239\187\191bom"] = "\\uFEFFbom",
            ["caf\233"] = "caf\\xE9",
            ["\226\130"] = "\\xE2\\x82", -- cut in half
            ["\248\255x"] = "\\xF8\\xFFx", -- no beginning of any
            ["\128\191x"] = "\\x80\\xBFx",
        } do
            it(("makes %q of %q"):format(shown, given), function()
                assert.equal(shown, text.plain(given))
            end)
        end

        it("lets no control through, wherever it stands", function()
            for code = 0, 31 do
                for _, around in ipairs { "%s", "a%sb", "ü%sü" } do
                    local shown = text.plain(around:gsub("%%s", function()
                        return string.char(code)
                    end))
                    assert.is_nil(shown:find "%c", ("%d in %s"):format(code, around))
                end
            end
        end)
    end)

    describe("json", function()
        it("escapes what a terminal would obey, and nothing else", function()
            assert.equal('{"a": "ü\\u009b\\u007f\\u202e"}\n', text.json('{"a": "ü\194\155\127\226\128\174"}\n'))
        end)
    end)

    describe("width", function()
        for given, width in pairs {
            [""] = 0,
            ["acme"] = 4,
            ["Zürich"] = 6,
            ["Zu\204\136rich"] = 6, -- a combining mark
            ["東京"] = 4,
            ["ｱ"] = 1, -- half-width
            ["👍"] = 2,
        } do
            it(("of %q is %d"):format(given, width), function()
                assert.equal(width, text.width(given))
            end)
        end
    end)

    describe("cut", function()
        it("leaves alone what fits", function()
            assert.equal("Zürich", text.cut("Zürich", 6))
        end)

        it("cuts between characters, and shows that it did", function()
            assert.equal("Zür…", text.cut("Zürich", 4))
            assert.equal("東…", text.cut("東京都", 4))
            assert.equal("…", text.cut("東京都", 1))
        end)
    end)
end)
