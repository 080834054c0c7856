local base64 = require "kataven.base64"

describe("kataven.base64", function()
    -- RFC 4648 section 10, and the bytes that use the two odd digits.
    local PAIRS = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\251\255\190\0\10", "+/++AAo=" },
    }

    it("encodes and decodes", function()
        for _, pair in ipairs(PAIRS) do
            assert.equal(pair[2], base64.encode(pair[1]))
            assert.equal(pair[1], base64.decode(pair[2]))
        end
    end)

    it("brings every byte back at every alignment", function()
        local all = {}
        for i = 0, 255 do
            all[#all + 1] = string.char(i)
        end
        local bytes = table.concat(all)

        for skip = 1, 3 do
            local part = bytes:sub(skip)
            assert.equal(part, base64.decode(base64.encode(part)))
        end
    end)

    it("refuses what is not Base64", function()
        for _, text in ipairs { "Zg", "Zg=", "Z===", "Zm9v\n", "Zm 9v", "-_==", "=Zm9", "Zm=v" } do
            assert.is_nil(base64.decode(text), text)
        end
    end)
end)
