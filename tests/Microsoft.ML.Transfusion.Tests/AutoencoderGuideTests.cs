// The code of docs/autoencoders.md, run for seconds.
namespace Microsoft.ML.Transfusion.Tests;

public class AutoencoderGuideTests
{
    [Fact]
    public void Code_of_the_guide_runs()
    {
        using var temporary = new TemporaryFolder();
        var ml = new MLContext(seed: 1);
        IDataView pictures = TinyTraining.View(ml, TinyTraining.Rows()), heldOut = TinyTraining.View(ml, TinyTraining.Rows(3));
        (string vae, TimeSpan time) = (temporary.File("vae"), TimeSpan.FromSeconds(2));

        #region train
        ImageAutoencoderTransformer trained = ml.Generation.Trainers.ImageAutoencoder(maxTrainingTime: time).Fit(pictures);
        double decibels = ml.Generation.EvaluateReconstruction(trained.Transform(heldOut)).PeakSignalToNoiseRatio;
        trained.Autoencoder.SaveFolder(vae);                        // for KlAutoencoder.LoadFolder, and for diffusers
        #endregion

        #region learn
        using KlAutoencoder autoencoder = KlAutoencoder.LoadFolder(vae);          // that one, or one of Stable Diffusion, SDXL, SD3 or FLUX
        TransfusionTransformer model = ml.Generation.Trainers.Transfusion(new TransfusionTrainer.Options
        {
            Autoencoder = autoencoder,
            Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 2 },      // of latents: 64 patches of 2×2 places
            MaxTrainingTime = time,
        }).Fit(pictures);
        #endregion

        using (trained)
        using (model)
        {
            Assert.InRange(decibels, 0, 60);
            Assert.Equal(64, model.Model.Config.Grid.PatchCount);
        }
    }
}
