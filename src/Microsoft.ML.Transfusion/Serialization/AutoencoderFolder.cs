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

    /// <summary>Reads an AutoencoderKL: of Stable Diffusion, SDXL, SD3 or FLUX, or one that <see cref="Write"/> wrote.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FormatException">A file is missing, is none of an AutoencoderKL, or does not fit the other; the message names the first tensor that is missing, misshapen or left over.</exception>
    public static (AutoencoderConfigFile Config, KlAutoencoderNetwork Network) Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder '{folder}'.");
        string configPath = Path.Combine(folder, AutoencoderConfigFile.FileName), weightsPath = Path.Combine(folder, WeightsFile);
        foreach (string path in (string[])[configPath, weightsPath])
            if (!File.Exists(path))
                throw new FormatException($"The folder '{folder}' has no {Path.GetFileName(path)}, so it is no autoencoder in diffusers' layout.");
        AutoencoderConfigFile config = AutoencoderConfigFile.Read(configPath, File.ReadAllBytes(configPath));
        using SafeTensorsFile weights = SafeTensorsFile.Open(weightsPath);
        KlAutoencoderNetwork network = config.CreateNetwork();
        try
        {
            Copy(weights, network, folder);
            return (config, network);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    /// <summary>Writes both files; an older pair of them is replaced when the new one is complete.</summary>
    /// <param name="folder">Made where there is none.</param>
    public static void Write(string folder, AutoencoderConfigFile config, KlAutoencoderNetwork network)
    {
        Directory.CreateDirectory(folder);
        AtomicFile.WriteAll(
            [
                (Path.Combine(folder, WeightsFile), stream => SafeTensors.Write(stream, network.state_dict(), new Dictionary<string, string> { ["format"] = "pt" })),
                (Path.Combine(folder, AutoencoderConfigFile.FileName), stream => stream.Write(config.Write())),
            ]);
    }

    private static void Copy(SafeTensorsFile weights, KlAutoencoderNetwork network, string folder)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        Dictionary<string, string> named = weights.Names.ToDictionary(Renamed, StringComparer.Ordinal);
        Dictionary<string, Tensor> own = network.state_dict();
        foreach ((string name, Tensor parameter) in own.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            string expected = $"[{string.Join(", ", parameter.shape)}]";
            if (!named.Remove(name, out string? stored))
                throw new FormatException($"{folder}: {WeightsFile} lacks '{name}' {expected}. Do the files belong together?");
            Tensor weight = weights.Read(stored);
            if (!weight.shape.SequenceEqual(parameter.shape))
                throw new FormatException($"{folder}: '{stored}' is [{string.Join(", ", weight.shape)}]; {AutoencoderConfigFile.FileName} asks for {expected}. Do the files belong together?");
            parameter.copy_(weight);
        }
        if (named.Values.Order(StringComparer.Ordinal).FirstOrDefault() is { } unknown)
            throw new FormatException($"{folder}: {WeightsFile} holds '{unknown}', which {AutoencoderConfigFile.FileName} does not ask for. Do the files belong together?");
    }

    private static string Renamed(string name) => OldNames.Aggregate(name, (renamed, pair) => renamed.Replace(pair.Old, pair.New, StringComparison.Ordinal));
}
