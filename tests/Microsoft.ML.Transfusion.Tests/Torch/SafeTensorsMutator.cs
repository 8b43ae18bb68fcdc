// Spoils safetensors files in the ways that files are spoilt, by accident or on purpose: bytes, lengths, and a header whose JSON still parses.
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Tests.Torch;

internal sealed partial class SafeTensorsMutator(byte[] header, byte[] data, Random random)
{
    private static readonly string[] Numbers =
    [
        "0", "1", "2", "3", "4", "8", "-1", "-0", "0.5", "1e3", "65536", "2147483648", "4294967296", "4611686018427387904", "9223372036854775807",
        "9223372036854775808", "18446744073709551615", "340282366920938463463374607431768211456", "1e999", "null", "\"4\"", "[1]", "{}", "true",
    ];

    private static readonly string[] Types = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "C64", "U16", "U64", "F8_E4M3", "F4", "f32", ""];

    /// <summary>One spoilt file: mostly one mutation, at times several. A few mutations leave a file that is fine.</summary>
    public byte[] Next()
    {
        byte[] json = header, values = data;
        for (int i = random.Next(4) == 0 ? random.Next(2, 5) : 1; i > 0; i--)
        {
            switch (random.Next(4))
            {
                case 0: values = Bytes(values); break;
                case 1: json = Bytes(json); break;
                default: json = Encoding.UTF8.GetBytes(Text(Encoding.UTF8.GetString(json))); break;
            }
        }
        byte[] file = SafeTensorsReaders.File(json, values);
        return random.Next(4) == 0 ? Whole(file) : file;
    }

    private byte[] Bytes(byte[] bytes)
    {
        int at = random.Next(bytes.Length + 1), count = random.Next(1, 9);
        switch (random.Next(4))
        {
            case 0: return bytes[..at];
            case 1: return [.. bytes[..at], .. Noise(count), .. bytes[at..]];
            case 2: return [.. bytes, .. Noise(count)];
            default:
                byte[] changed = [.. bytes];
                for (; count > 0 && bytes.Length > 0; count--)
                    changed[random.Next(bytes.Length)] = (byte)random.Next(256);
                return changed;
        }
    }

    private byte[] Whole(byte[] file)
    {
        long[] lengths = [0, 1, random.Next(file.Length + 9), 99_999_999, 100_000_001, int.MaxValue, 1L << 32, long.MaxValue, long.MinValue, -1, random.NextInt64()];
        return random.Next(3) switch
        {
            0 => file[..random.Next(file.Length + 1)],
            1 => [.. file, .. Noise(random.Next(1, 100))],
            _ => [.. BitConverter.GetBytes(lengths[random.Next(lengths.Length)]), .. file.Skip(8)],
        };
    }

    private string Text(string json)
    {
        int from = random.Next(json.Length + 1), to = random.Next(from, Math.Min(json.Length, from + 80) + 1), at = random.Next(json.Length + 1);
        switch (random.Next(9))
        {
            case 0: return Replace(json, Number(), _ => Numbers[random.Next(Numbers.Length)]);
            case 1: return Replace(json, Number(), number => long.TryParse(number, out long value) ? $"{value + random.Next(-8, 9)}" : number);
            case 2: return Replace(json, Number(), _ => Pick(json, Number()));                     // another number of the same file
            case 3: return Replace(json, Type(), _ => $"\"dtype\":\"{Types[random.Next(Types.Length)]}\"");
            case 4: return Replace(json, Entry(), entry => $"{entry},{(random.Next(2) == 0 ? entry : Pick(json, Entry()))}");     // a key twice
            case 5: return Replace(json, Entry(), _ => Pick(json, Entry()));                       // lost, and perhaps another one twice
            case 6: return Replace(json, Number(), number => new string(random.Next(2) == 0 ? '[' : '{', random.Next(1, 3000)) + number);
            case 7: return json.Insert(at, json[from..to]);
            default: return json.Remove(from, to - from);
        }
    }

    private byte[] Noise(int count)
    {
        byte[] noise = new byte[count];
        random.NextBytes(noise);
        return noise;
    }

    private string Replace(string json, Regex part, Func<string, string> change)
    {
        MatchCollection matches = part.Matches(json);
        if (matches.Count == 0)
            return json;
        Match match = matches[random.Next(matches.Count)];
        return json[..match.Index] + change(match.Value) + json[(match.Index + match.Length)..];
    }

    private string Pick(string json, Regex part)
    {
        MatchCollection matches = part.Matches(json);
        return matches.Count == 0 ? "" : matches[random.Next(matches.Count)].Value;
    }

    [GeneratedRegex(@"(?<=[\[,])\d+(?=[\],])")]
    private static partial Regex Number();

    [GeneratedRegex(@"""dtype"":""\w*""")]
    private static partial Regex Type();

    [GeneratedRegex(@"""\w+"":(\{[^{}]*\}|\[[^\[\]]*\]|""\w*"")")]
    private static partial Regex Entry();
}
