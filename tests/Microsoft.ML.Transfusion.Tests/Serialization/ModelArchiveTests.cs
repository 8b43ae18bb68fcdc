using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tests.Torch;
using Microsoft.ML.Transfusion.Tokenization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public class ModelArchiveTests
{
    private static readonly TransfusionConfig Config = new()
    {
        Transformer = TransformerConfig.Tiny with { HiddenSize = 64, NumberOfKeyValueHeads = 2, RopeTheta = 12345.678901 },
        Diffusion = new DiffusionConfig { Prediction = PredictionType.Velocity, LossTarget = PredictionType.Sample },
        Image = new ImageCodecConfig { ImageHeight = 16, ImageWidth = 24 },
    };

    private static readonly TextTokenizer Tokenizer = TextTokenizer.Train(["a red cat", "a red dog"], 260);

    private static readonly byte[] Archive = Write();

    [Fact]
    public void Read_gives_back_what_was_written()
    {
        using var scope = NewDisposeScope();
        using var stream = new MemoryStream(Archive);
        ModelArchive archive = ModelArchive.Read(stream);
        Assert.Equal(Config, archive.Config);
        Assert.Equal(Tokenizer.Encode("a red cat 🙂"), archive.Tokenizer.Encode("a red cat 🙂"));
        Assert.Equal(new Dictionary<string, string> { ["column"] = "Bild «1»", ["steps"] = "12" }, archive.Extra);
        Assert.Equal(["bias", "weight"], archive.Weights.Keys.Order());
        Assert.True(arange(12).reshape(3, 4).equal(archive.Weights["weight"]).all().ToBoolean());
        Assert.True(stream.CanRead);
    }

    [Fact]
    public void Read_takes_any_stream_at_any_position_and_leaves_it_open()
    {
        using var scope = NewDisposeScope();
        using var forward = new ForwardOnlyStream(new MemoryStream(Archive));
        Assert.Equal(Config, ModelArchive.Read(forward).Config);
        using var later = new MemoryStream([1, 2, 3, .. Archive]) { Position = 3 };
        Assert.Equal(Config, ModelArchive.Read(later).Config);
        Assert.True(forward.CanRead && later.CanRead);
    }

    [Fact]
    public void Write_gives_the_same_bytes_to_any_stream()
    {
        Assert.Equal(Archive, Write());
        using var later = new MemoryStream();
        later.WriteByte(7);
        WriteTo(later);
        Assert.Equal(Archive, later.ToArray()[1..]);
        using var forward = new MemoryStream();
        WriteTo(new ForwardOnlyStream(forward));
        Assert.Equal(Archive, forward.ToArray());
    }

    [Fact]
    public void Read_refuses_a_flip_of_any_byte()
    {
        for (int i = 0; i < Archive.Length; i++)
        {
            byte[] damaged = [.. Archive];
            damaged[i] ^= (byte)(1 << i % 8);
            using var stream = new MemoryStream(damaged);
            FormatException exception = Assert.Throws<FormatException>(() => ModelArchive.Read(stream));
            Assert.Contains("damaged", exception.Message);
        }
    }

    [Theory]
    [InlineData("config.json")]
    [InlineData("extra.json")]
    [InlineData("tokenizer/vocab.json")]
    [InlineData("tokenizer/merges.txt")]
    [InlineData("model.safetensors")]
    public void Read_names_the_damaged_entry(string name)
    {
        byte[] contents = ReadEntry(name);
        byte[] damaged = [.. Archive];
        damaged[Archive.AsSpan().IndexOf(contents) + contents.Length - 1] ^= 1;
        using var stream = new MemoryStream(damaged);
        Assert.Contains($"'{name}'", Assert.Throws<FormatException>(() => ModelArchive.Read(stream)).Message);
    }

    [Fact]
    public void Read_refuses_a_truncated_file_of_any_length()
    {
        for (int length = 0; length < Archive.Length; length += 13)
        {
            using var stream = new MemoryStream(Archive, 0, length);
            Assert.Contains("truncated", Assert.Throws<FormatException>(() => ModelArchive.Read(stream)).Message);
        }
    }

    [Fact]
    public void Read_refuses_what_is_no_model()
    {
        using var other = new MemoryStream();
        using (var zip = new ZipArchive(other, ZipArchiveMode.Create, leaveOpen: true))
            zip.CreateEntry("Version.txt");
        foreach (byte[] bytes in (byte[][])[[], Encoding.UTF8.GetBytes("hello"), new byte[500], other.ToArray()])
        {
            using var stream = new MemoryStream(bytes);
            Assert.Contains("not a model", Assert.Throws<FormatException>(() => ModelArchive.Read(stream)).Message);
        }
    }

    [Fact]
    public void Read_refuses_a_newer_format_and_says_what_to_do()
    {
        string manifest = Encoding.UTF8.GetString(ReadEntry("manifest.json")).Replace("\"formatVersion\": 1", "\"formatVersion\": 2, \"news\": []", StringComparison.Ordinal);
        using var stream = new MemoryStream(Change("manifest.json", manifest));
        string message = Assert.Throws<FormatException>(() => ModelArchive.Read(stream)).Message;
        Assert.Contains("format version 2", message);
        Assert.Contains("up to 1", message);
        Assert.Contains("Update", message);
    }

    [Theory]
    [InlineData("\"Cosine\"", "\"Spiral\"")]
    [InlineData("\"Cosine\"", "0")]
    [InlineData("\"hiddenSize\"", "\"sizeOfTheFuture\"")]
    [InlineData("64", "null")]
    [InlineData("\"image\"", "\"image\": null, \"image\"")]
    public void Read_refuses_a_configuration_it_does_not_understand(string text, string replacement)
    {
        string config = Encoding.UTF8.GetString(ReadEntry("config.json"));
        Assert.Contains(text, config);
        using var stream = new MemoryStream(WithConfig(config.Replace(text, replacement, StringComparison.Ordinal)));
        Assert.Contains("'config.json'", Assert.Throws<FormatException>(() => ModelArchive.Read(stream)).Message);
    }

    [Fact]
    public void Read_takes_a_configuration_from_before_an_option_was_there()
    {
        using var scope = NewDisposeScope();
        JsonNode config = JsonNode.Parse(ReadEntry("config.json"))!;
        foreach (string option in (string[])["tiedEmbeddings", "ropeScaling", "attentionHeadSize"])
            Assert.True(config["transformer"]!.AsObject().Remove(option));
        using var stream = new MemoryStream(WithConfig(config.ToJsonString()));
        Assert.Equal(Config, ModelArchive.Read(stream).Config);
    }

    [Fact]
    public void Write_passes_on_what_a_full_disk_throws()
    {
        Assert.Throws<IOException>(() => WriteTo(new FullStream(1000)));
    }

    private static byte[] Write()
    {
        using var stream = new MemoryStream();
        WriteTo(stream);
        return stream.ToArray();
    }

    private static void WriteTo(Stream stream)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> weights = new() { ["weight"] = arange(12).reshape(3, 4), ["bias"] = linspace(0, 1, 5).bfloat16() };
        ModelArchive.Write(stream, Config, Tokenizer, weights, new Dictionary<string, string> { ["column"] = "Bild «1»", ["steps"] = "12" });
    }

    private static byte[] ReadEntry(string name)
    {
        using var zip = new ZipArchive(new MemoryStream(Archive));
        using Stream entry = zip.GetEntry(name)!.Open();
        using var contents = new MemoryStream();
        entry.CopyTo(contents);
        return contents.ToArray();
    }

    private static byte[] WithConfig(string config)
    {
        string manifest = Encoding.UTF8.GetString(ReadEntry("manifest.json"))
            .Replace(Hash(ReadEntry("config.json")), Hash(Encoding.UTF8.GetBytes(config)), StringComparison.Ordinal);
        return Change("manifest.json", manifest, Change("config.json", config));
    }

    /// <summary>Replaces an entry and seals the archive again, as another program could.</summary>
    private static byte[] Change(string name, string contents, byte[]? archive = null)
    {
        using var stream = new MemoryStream();
        stream.Write(archive ?? Archive);
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            zip.GetEntry(name)!.Delete();
            using Stream entry = zip.CreateEntry(name).Open();
            entry.Write(Encoding.UTF8.GetBytes(contents));
        }
        byte[] changed = stream.ToArray();
        Encoding.ASCII.GetBytes("sha256:" + Hash(changed[..^71])).CopyTo(changed, changed.Length - 71);
        return changed;
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private sealed class FullStream(int capacity) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Length + buffer.Length > capacity)
                throw new IOException("No space left on device");
            base.Write(buffer);
        }
    }
}
