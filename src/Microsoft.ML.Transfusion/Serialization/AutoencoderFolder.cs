// An autoencoder in a folder, as diffusers lays it out: config.json and diffusion_pytorch_model.safetensors.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

internal static class AutoencoderFolder
{
    public const string WeightsFile = "diffusion_pytorch_model.safetensors";

    // Before diffusers 0.15 attention had other names.
    private static readonly (string Old, string New)[] OldNames =
        [(".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")];

    /// <summary>Reads an AutoencoderKL, of Stable Diffusion, SDXL, SD3 or FLUX for instance, or a VQModel; or what <see cref="Write"/> wrote.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FormatException">A file is missing, is none of such an autoencoder, or does not fit the other; the message names the first tensor that is missing, misshapen or left over.</exception>
    public static StoredAutoencoder Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder '{folder}'.");
        string configPath = Path.Combine(folder, AutoencoderConfigFile.FileName), weightsPath = Path.Combine(folder, WeightsFile);
        foreach (string path in (string[])[configPath, weightsPath])
            if (!File.Exists(path))
                throw new FormatException($"The folder '{folder}' has no {Path.GetFileName(path)}, so it is no autoencoder in diffusers' layout.");
        AutoencoderConfigFile config = AutoencoderConfigFile.Read(configPath, File.ReadAllBytes(configPath));
        using SafeTensorsFile weights = SafeTensorsFile.Open(weightsPath);
        return new StoredAutoencoder(config, Create(config, weights.Names, weights.Read, folder), weights.Metadata);
    }

    /// <summary>The same from the two files' contents, wherever they lie.</summary>
    /// <param name="source">What messages call the place.</param>
    public static StoredAutoencoder Read(string source, byte[] config, Stream weights, long length)
    {
        using var scope = NewDisposeScope();
        AutoencoderConfigFile file = AutoencoderConfigFile.Read(source, config);
        Dictionary<string, Tensor> tensors = SafeTensors.Read(weights, out IReadOnlyDictionary<string, string> metadata, length);
        return new StoredAutoencoder(file, Create(file, tensors.Keys, name => tensors[name], source), metadata);
    }

    /// <summary>Writes both files; an older pair of them is replaced when the new one is complete.</summary>
    /// <param name="folder">Made where there is none.</param>
    public static void Write(string folder, StoredAutoencoder autoencoder)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.WriteAll([.. Files(autoencoder).Select(file => (Path.Combine(folder, file.Name), file.Write))]);
    }

    /// <summary>Names and contents of the files.</summary>
    public static IEnumerable<(string Name, Action<Stream> Write)> Files(StoredAutoencoder autoencoder)
    {
        Dictionary<string, string> notes = new(autoencoder.Notes) { ["format"] = "pt" };
        yield return (WeightsFile, stream => SafeTensors.Write(stream, autoencoder.Network.state_dict(), notes));
        yield return (AutoencoderConfigFile.FileName, stream => stream.Write(autoencoder.Config.Write()));
    }

    private static AutoencoderNetwork Create(AutoencoderConfigFile config, IEnumerable<string> names, Func<string, Tensor> read, string source)
    {
        AutoencoderNetwork network = config.CreateNetwork();
        try
        {
            Copy(names, read, network, source);
            network.MoveTo(CPU);
            return network;
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private static void Copy(IEnumerable<string> names, Func<string, Tensor> read, AutoencoderNetwork network, string source)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, string> named = names.ToDictionary(Renamed, StringComparer.Ordinal);
        Dictionary<string, Tensor> own = network.state_dict();
        foreach ((string name, Tensor parameter) in own.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            string expected = $"[{string.Join(", ", parameter.shape)}]";
            if (!named.Remove(name, out string? stored))
                throw new FormatException($"{source}: {WeightsFile} lacks '{name}' {expected}. Do the files belong together?");
            Tensor weight = read(stored);
            if (!weight.shape.SequenceEqual(parameter.shape))
                throw new FormatException($"{source}: '{stored}' is [{string.Join(", ", weight.shape)}]; {AutoencoderConfigFile.FileName} asks for {expected}. Do the files belong together?");
            parameter.copy_(weight);
        }
        if (named.Values.Order(StringComparer.Ordinal).FirstOrDefault() is { } unknown)
            throw new FormatException($"{source}: {WeightsFile} holds '{unknown}', which {AutoencoderConfigFile.FileName} does not ask for. Do the files belong together?");
    }

    private static string Renamed(string name) => OldNames.Aggregate(name, (renamed, pair) => renamed.Replace(pair.Old, pair.New, StringComparison.Ordinal));
}
